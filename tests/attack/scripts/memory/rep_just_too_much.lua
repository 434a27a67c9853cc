-- Asks for slightly more than the limit, caught, over and over.
for _ = 1, 100 do
  local ok, s = pcall(string.rep, "x", (16 << 20) + 1)
  if ok then return "ESCAPED: " .. #s end
end
