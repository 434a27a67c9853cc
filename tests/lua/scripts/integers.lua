-- Integer arithmetic: wrapping, division, modulo, bitwise operations.
local min, max = math.mininteger, math.maxinteger
print(max, min, max + 1 == min, min - 1 == max, max * 2, min * -1, -min)
print(7 // 2, -7 // 2, 7 // -2, -7 // -2, 0 // 5)
print(7 % 3, -7 % 3, 7 % -3, -7 % -3, 0 % 5, 5 % 5)
print(min // -1, min % -1, max // -1, max % -1, min // 1, min % max)
print(pcall(function() return 1 // 0 end))
print(pcall(function() return 1 % 0 end))
print(1 // 0.0, -1 // 0.0, 1 % 0.0 ~= 1 % 0.0, 5 % math.huge, -5 % math.huge, 5 % -math.huge)
print(5 & 3, 5 | 3, 5 ~ 3, ~5, ~0, -1 & 0xFF)
print(1 << 0, 1 << 63, 1 << 64, 1 << 65, 1 << -1, 2 >> 1, 2 >> -1, -1 >> 1, -1 >> 63, -1 >> 64, -1 << 64)
print(1 << min, 1 >> min, 1 << max, 1 >> max)
print(3.0 & 1, 2^53 | 0, 1e15 | 0)
print(pcall(function() local s = "3" return s | 0, s << 2, "0x10" & 0xFF end))
print(pcall(function() return 1.5 | 0 end))
print(pcall(function() return 2^63 | 0 end))
print(pcall(function() return 0 / 0 | 0 end))
print(pcall(function() return "1.5" | 0 end))
print(pcall(function() return {} | 0 end))
print(0xFF, 0xffffffffffffffff, 0x7fffffffffffffff, 0x1p4, 0xA.8p0, 0x10000000000000000)
print(9223372036854775807, 9223372036854775808, -9223372036854775808, 1e2, 1E+2, .5, 5., 3e-2)
print(10 // 3, 10.0 // 3, 10 / 2, 3 * 1.0, 2^2, 10 % 3.0, -10 % 3.0, 5.5 // 1, 5.5 % 2, -5.5 % 2, -5.5 // 1)
print(1 == 1.0, math.type(1), math.type(1.0), math.type("1"), math.type(nil and 1))
print(max + 0.0 == max, max + 0.0, max // 1.0, (2^53 + 1) | 0, 2^53 == 2^53 + 1)
print(1 < 1.5, 1 <= 1.0, max < max + 0.0, max + 0.0 < max, min <= min + 0.0, min - 1.0 < min, max < math.huge)
print(2^63 > max, 2^63 == max, -2^63 == min, 2^53 + 1 > 2^53, (1 << 53) + 1 > 2^53, (1 << 53) + 1 == 2^53)
print(1 < 0 / 0, 1 > 0 / 0, max < 0 / 0, 0 / 0 ~= 0 / 0)
print(3 - -3, 3 - - -3, - -3, not not 3, -2 ^ 2, 2 ^ -1, 2 ^ 3 ^ 2, -3 % 5, (-3) % 5, 2 * 3 % 4)
print(1 .. 2, 1 + 1 .. "", 2 ^ 2 .. "", 1 << 2 + 1, 1 | 2 ~ 3 & 4, 5 & 6 == 4, "a" .. "b" == "ab")
local sum = 0
for i = 1, 100 do sum = sum * 31 + i end
print(sum)
local a, b = 1, 1
for _ = 1, 100 do a, b = b, a + b end
print(a, b)
local x = 88172645463325252
for _ = 1, 5 do
  x = x ~ (x << 13)
  x = x ~ (x >> 7)
  x = x ~ (x << 17)
  print(x, x % 100, x // 3, x & 0xFFFF)
end
