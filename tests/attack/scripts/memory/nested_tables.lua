-- A list whose each node holds the one before it: deep, for the collector.
local list
while true do list = {list} end
