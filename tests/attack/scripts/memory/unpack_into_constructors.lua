-- Large tables made of the results of one call.
local source = {}
for i = 1, 100000 do source[i] = i end
local kept = {}
while true do kept[#kept + 1] = {table.unpack(source)} end
