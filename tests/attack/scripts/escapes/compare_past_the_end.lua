-- Lua 5.4.6 mended comparisons that read past the end of a string with zeros.
local strings = {"", "\0", "\0\0", "a\0", "a\0b", "a\0\0", "\xff\0", ("\0"):rep(100)}
for _, a in ipairs(strings) do
  for _, b in ipairs(strings) do
    if (a < b) == (a >= b) or (a == b) ~= (a <= b and b <= a) then return "ESCAPED: comparisons disagree" end
  end
end
return "in order"
