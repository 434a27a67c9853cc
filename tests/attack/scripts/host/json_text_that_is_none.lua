-- Malformed text of many kinds: unfinished, binary, with comments, with zeros.
for _, text in ipairs({
  "", " ", "{", "[", '"', "[1,", '{"a"', '{"a":', "{,}", "[,]", "[1,]", "{1:2}", "'a'", "tru", "nul", "// x", "/* */1",
  "\0", '"\0"', '"\1"', '"\\u12"', '"\\ud800"', '"\\udc00\\ud800"', '"\\x"', "\xef\xbb\xbf1", "\xff\xfe",
  '"\xff"', '"\xed\xa0\x80"', '"\xc0\x80"', "[1] 2", "\u{2028}", '{"a":1,"a":2', "\27Lua",
}) do
  local ok, value = pcall(json.decode, text)
  if ok then return "ESCAPED: " .. text .. " was read as " .. type(value) end
end
return "refused"
