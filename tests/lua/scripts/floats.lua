-- Float arithmetic and how floats are shown.
print(1e15, 1e16, 1e100, 123456789012345.0, 1234567890123456.0, 0.1, 1 / 3, 100.0, -0.0, 1e-5, 123e-7)
print(1 / 0, -1 / 0, 3.0, 3.5, 1e300 * 1e10, -1e300 * 1e10, 2^1023 * 2, 5e-324, 2^-1074, 2^-1075)
print(0.1 + 0.2, 0.1 + 0.2 == 0.3, 1 - 0.9, 1e16 + 1, 3 * 0.1, 1.1 * 1.1)
print(7.5 // 2, -7.5 // 2, 7.5 // -2, 7.5 % 2, -7.5 % 2, 7.5 % -2, -7.5 % -2, 1e15 % 7, 0.0 % 1, -0.0 % 1)
print(5.3 % 0.1 < 0.1, 1e308 // 1e-308, 1 // 0.1, 1 % 0.1 < 0.1, 6.0 % -4.0)
print(0.0 == -0.0, 1 / 0.0 == 1 / -0.0, -0.0 + 0, 0.0 - 0.0, 0 * -1.0, 0 * -1)
local nan = 0 / 0
print(nan == nan, nan ~= nan, nan < nan, nan <= nan, nan > 1, not (nan > 1), tostring(nan):gsub("-", ""))
print(math.max(1, nan) ~= math.max(1, nan), math.min(2.5, 2), math.max(2, 2.0), math.type(math.max(2, 2.0)))
print(2^0.5, 4^0.5, 8^(1 / 3), 10^2, 10^-2, (-8)^3, 0^0, 1^nan, nan^0 == 1)
print((-8)^(1 / 3) ~= (-8)^(1 / 3), math.huge - math.huge ~= 0, math.huge * 0 ~= 0)
print(("%.14g"):format(math.pi), ("%.14g"):format(1e14), ("%.14g"):format(1e15), ("%.14g"):format(123456.789e3))
print(3 | 0, 3.0 | 0, math.tointeger(3.0), math.tointeger(3.5), math.tointeger("8"), math.tointeger(2^63))
print(string.format("%.3f %.0f %g %g", 2.0005, 2.5, 1e15, 1e16))
for _, v in ipairs({1e14, 1e15, 1e16, 123456789.123, 0.1, 1 / 3, 2^53, 2^63, -2^63, 1e-10, 99999999999999.9}) do
  print(v, v * 3, v / 7, v // 1, math.type(v // 1), math.floor(v) == v)
end
local s = 0.0
for i = 1, 1000 do s = s + 1 / i end
print(s)
for x = 0, 1, 0.25 do print(x) end
for x = 1, 0, -0.5 do print(x) end
for x = 1.0, 3 do print(x, math.type(x)) end
for x = 1, 3.5 do print(x, math.type(x)) end
print(pcall(function() for _ = 1, 2, 0.0 do end end))
for i = math.maxinteger - 1, math.maxinteger do print(i) end
for i = math.mininteger, math.mininteger + 2, 2 do print(i) end
for i = 1, math.huge do if i > 2 then break end print(i) end
for i = 1, -math.huge do print("never", i) end
for i = 3, 2.5 do print("never", i) end
print(pcall(function() for _ = "1", 2 do end end))
print(pcall(function() for _ = 1, {} do end end))
print(pcall(function() for _ = 1, 2, "x" do end end))
