-- tonumber, tostring, and conversions that happen by themselves.
for _, text in ipairs({"10", " 10 ", "10.0", "1e1", "0x10", "0X1P4", "-7", "- 7", "+5", "", " ", "1 2", "1e", "0x", "1..2", ".5",
                       "5.", ".", "inf", "nan", "0b1", "1_000", "9223372036854775807", "9223372036854775808",
                       "-9223372036854775808", "-9223372036854775809", "0xffffffffffffffff", "0x1ffffffffffffffff",
                       "1e309", "-1e309", "1e-400", "\t1\n", "1\0", "0x.8", "0x8.", "0xA.Ap1", "1e+5", "1E-2", "00012"}) do
  local n = tonumber(text)
  print(("%q"):format(text), n, math.type(n))
end
for _, case in ipairs({{"ff", 16}, {"FF", 16}, {"zz", 36}, {"101", 2}, {"102", 2}, {"-7", 8}, {" 11 ", 3}, {"", 10}, {"8", 8},
                       {"7fffffffffffffff", 16}, {"ffffffffffffffff", 16}, {"1e1", 16}, {"1.0", 10}, {"- 1", 10}, {"9", 10},
                       {"10000000000000000", 16}, {"z", 35}, {"1 1", 2}}) do
  print(case[1], case[2], tonumber(case[1], case[2]))
end
print(tonumber(5), tonumber(5.5), tonumber(nil), tonumber({}), tonumber(true), tonumber(print))
print(pcall(tonumber))
print(pcall(tonumber, "1", 1))
print(pcall(tonumber, "1", 37))
print(pcall(tonumber, 10, 10))
print(pcall(tonumber, nil, 10))
print(tostring(1), tostring(1.0), tostring(-1.5), tostring(1e100), tostring("x"), tostring(nil), tostring(false))
print(pcall(tostring))
print("10" + 1, "10" * "2", "3" ^ 2, "7" // 2, "7.0" // 2, "7" % 4, -"3", "0x10" + 0, " 5 " + 1, "1e1" + 0)
print(pcall(function() return "ten" + 1 end))
print(pcall(function() return "1" + {} end))
print(pcall(function() return 1 + nil end))
print(10 .. "", 1.0 .. "", -0.0 .. "", 1e15 .. "", 2^63 .. "", math.mininteger .. "")
print(#tostring(0.1), #tostring(1 / 3), ("5"):rep("3"), ("abc"):sub("2"), ("x"):rep(2.0))
print(pcall(string.rep, "x", "2.5"))
print(pcall(string.rep, "x", 2.5))
print(pcall(string.rep, "x", "y"))
print(({10, 20, 30})[2.0], ({10, 20})[1.5], ({["1"] = "text"})[1], ({[1] = "integer"})["1"])
print(math.tointeger("10"), math.tointeger(10.0), math.tointeger("x"), math.tointeger({}))
print(1 == "1", 0 == false, nil == false, "" == false, "0" == 0)
