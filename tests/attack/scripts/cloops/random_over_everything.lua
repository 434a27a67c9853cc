-- Intervals of all sizes, the empty one too.
while true do
  math.random(math.mininteger, math.maxinteger)
  pcall(math.random, 2, 1)
  math.random(1, (1 << 62) + 1)
end
