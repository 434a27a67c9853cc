-- Digits by the thousand before and after the point, with and without an exponent that takes them back.
for _, n in ipairs({400, 700, 768, 769, 1000, 5000, 20000}) do
  local zeros, ones = ("0"):rep(n), ("1"):rep(n)
  for _, text in ipairs({
    "0." .. zeros .. "1", "0." .. zeros .. "1e" .. n, "1" .. zeros .. ".0e-" .. n, ones .. "." .. ones .. "e-" .. n,
    "0." .. zeros .. ones, ones .. "e-" .. 2 * n, "0." .. ones .. "e-" .. n, "-0." .. zeros .. "e" .. n,
  }) do
    local ok, value = pcall(json.decode, text)
    if ok and not (value > -1e309 and value < 1e309) then return "ESCAPED: " .. value end
  end
end
return "read or refused"
