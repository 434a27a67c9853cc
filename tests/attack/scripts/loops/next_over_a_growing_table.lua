-- Walks a table with next from the start each time it changed.
local t = {1}
local n = 1
local k = next(t)
while k do
  n = n % 1000 + 1
  t[n] = n
  k = next(t)
end
