-- select copies all its arguments, for each of them.
local t = {}
for i = 1, 2e5 do t[i] = i end
for i = 1, 2e5 do select(i, table.unpack(t)) end
