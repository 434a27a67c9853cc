-- Keys that are strings, and the strings stay alive.
local t = {}
for i = 1, math.maxinteger do t["key " .. i] = t end
