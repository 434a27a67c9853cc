-- Counts to the largest integer, one by one.
local sum = 0
for i = math.mininteger, math.maxinteger do sum = sum ~ i end
return sum
