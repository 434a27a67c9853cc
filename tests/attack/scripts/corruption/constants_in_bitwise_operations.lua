-- Constants that cannot be integers, folded into bitwise operations.
for _, text in ipairs({
  "return 0xF0.0 | 0xCC.0 ~ 0xAA & 0xFD", "local k <const> = 1.5; return 1 | k", "return ~(-1.0) ~ 'x'",
  "local a <const> = 'a'; return a & 1", "return (2^53 | 0) << 63 >> 64", "return 1 << -1 >> math.mininteger",
}) do
  local f = load(text)
  if f then pcall(f) end
end
return "no matter"
