-- Sequences that are no UTF-8, to every function that reads it.
local bad = {"\xff", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "\xe2\x82", "\xfd\xbf\xbf\xbf\xbf\xbf"}
for _, s in ipairs(bad) do
  for _, f in ipairs({utf8.len, utf8.codepoint, utf8.offset, json.encode, json.decode, task.log, log.info, print}) do
    for i = -3, 3 do pcall(f, s .. "x" .. s, i, i + 1) end
  end
  for _, pattern in ipairs({s, "", ".", "\\C", "\\pL*", "[^x]"}) do
    pcall(re.find, s .. "x" .. s, pattern)
    pcall(re.find, "ä" .. s, pattern, 2)
    pcall(re.gsub, s .. "x" .. s, pattern, s)
    pcall(re.split, s:rep(20), pattern)
  end
  pcall(function() for _ in utf8.codes(s) do end end)
  pcall(function() for _ in utf8.codes("x" .. s, true) do end end)
end
return bad[1]
