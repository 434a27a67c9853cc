-- sort in the comparator of sort.
local function nest()
  table.sort({3, 2, 1}, function(a, b) nest() return a < b end)
end
while true do pcall(nest) end
