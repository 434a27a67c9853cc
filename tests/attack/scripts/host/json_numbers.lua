-- Numbers that fit into nothing.
for _, text in ipairs({
  "1e999999999", "-1e999999999", "1e-999999999", ("9"):rep(1000000), "18446744073709551616",
  "-9223372036854775809", "1" .. ("0"):rep(400), "1.7976931348623159e308", "4.9e-325", "-0", "-0.0", "00", "+1", ".5", "1.",
  "0x10", "NaN", "Infinity", "1e", "1e+", "--1", ("1"):rep(800) .. "." .. ("1"):rep(800) .. "e-700",
}) do
  local ok, value = pcall(json.decode, text)
  if ok and (value ~= value or value == math.huge or value == -math.huge) then
    return "ESCAPED: a number that is not finite from " .. text:sub(1, 30)
  end
end
for _, value in ipairs({0 / 0, 1 / 0, -1 / 0}) do
  if pcall(json.encode, value) or pcall(json.encode, {value}) then return "ESCAPED: " .. value .. " was written" end
end
return {math.huge}
