-- The comparator says yes to everything, and the bounds of the array are left behind.
local t = {}
for i = 1, 2000 do t[i] = i end
pcall(table.sort, t, function() return true end)
while true do pcall(table.sort, t, function() return true end) end
