-- utf8.char of as many arguments as a call takes.
local codes = {}
for i = 1, 200000 do codes[i] = 0x7FFFFFFF end
local kept = {}
while true do kept[#kept + 1] = utf8.char(table.unpack(codes)) end
