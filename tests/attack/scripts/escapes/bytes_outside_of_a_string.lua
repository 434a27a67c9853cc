-- Reads before the start and behind the end of a string.
local s = "abc"
local extremes = {math.mininteger, -5, -4, 0, 4, 5, 100, math.maxinteger}
for _, i in ipairs(extremes) do
  for _, j in ipairs(extremes) do
    if #s:sub(i, j) > 3 or select("#", s:byte(i, j)) > 3 then return "ESCAPED: more than the string" end
    pcall(utf8.codepoint, s, i, j)
    pcall(utf8.len, s, i, j)
    pcall(s.find, s, "", i)
  end
  for _, f in ipairs({"<I8", "z", "s1", "s8", "c10", "j", "n", "!8Xi8", "<I16"}) do
    local ok, value = pcall(string.unpack, f, s, i)
    if ok and not (f == "!8Xi8") then return "ESCAPED: unpack " .. f .. " at " .. i .. ": " .. tostring(value) end
  end
end
return "nothing there"
