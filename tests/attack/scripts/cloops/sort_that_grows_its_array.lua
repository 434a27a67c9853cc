-- The comparator appends to and takes from the array that is being sorted.
local t = {}
for i = 1, 300 do t[i] = i % 7 end
for _ = 1, 1000 do
  pcall(table.sort, t, function(a, b)
    t[#t + 1] = 1
    t[1] = nil
    return (tonumber(a) or 0) < (tonumber(b) or 0)
  end)
end
