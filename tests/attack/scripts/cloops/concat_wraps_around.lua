-- The range ends at the largest integer, where a counter would overflow.
local t = {[math.maxinteger] = "x", [math.maxinteger - 1] = "y"}
return table.concat(t, ",", math.maxinteger - 1, math.maxinteger)
