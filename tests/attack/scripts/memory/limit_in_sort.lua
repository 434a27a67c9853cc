-- Memory is spent in a comparator, while table.sort has elements in its hands.
local kept, t = {}, {}
for i = 1, 1000 do t[i] = {i * 7919 % 1009} end
pcall(table.sort, t, function(a, b)
  kept[#kept + 1] = ("s"):rep(20000) .. #kept
  return a[1] < b[1]
end)
return "sorted"
