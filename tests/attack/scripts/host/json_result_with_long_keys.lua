-- The path to the value that cannot be written is made of keys of a megabyte.
local key = ("k"):rep(1 << 16)
local t = {bad = print}
for _ = 1, 120 do t = {[key] = t} end
return t
