-- Float keys that share a hash: powers of two leave the mantissa alone.
local t = {}
for i = -1000, 1000 do t[2.0 ^ i] = i end
while true do for i = -1000, 1000 do local _ = t[2.0 ^ i] end end
