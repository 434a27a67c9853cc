-- The comparator tosses a coin.
local t = {}
while true do
  for i = 1, 500 do t[i] = i end
  pcall(table.sort, t, function() return math.random() < 0.5 end)
end
