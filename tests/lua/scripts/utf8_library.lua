-- utf8.char, codepoint, len, offset, codes, charpattern.
local s = "aä€😀"
print(utf8.char(), utf8.char(97), utf8.char(228, 8364, 128512))
print(utf8.charpattern == "[\0-\x7F\xC2-\xFD][\x80-\xBF]*")
print(utf8.len(s), #s, utf8.len(""))
print(utf8.codepoint(s, 1, -1))
print(utf8.codepoint(s), utf8.codepoint(s, 2))
for p, c in utf8.codes(s) do print(p, c) end
for i = -5, 6 do print(i, pcall(utf8.offset, s, i)) end
for i = 1, #s do print("at", i, utf8.offset(s, 0, i)) end
print(pcall(utf8.offset, s, 1, 3))
print(pcall(utf8.offset, s, 1, 20))
print(utf8.len(s, 2), utf8.len(s, -4), utf8.len(s, 11), pcall(utf8.len, s, 12))
print(utf8.len(s, 3))
print(utf8.len(s, 1, 2), utf8.len(s, 1, 3))
for _, bad in ipairs({"\xff", "\x80", "a\x80", "\xc0\x80", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc3"}) do
  print(utf8.len(bad))
  print(pcall(utf8.codepoint, bad, 1, -1))
  print(utf8.len(bad, 1, -1, true))
end
print(utf8.char(0x7FFFFFFF):byte(1, -1))
print(pcall(utf8.char, 0x80000000))
print(pcall(utf8.char, -1))
print(pcall(utf8.codepoint, s, 3))
print(pcall(utf8.codepoint, s, 100))
print(utf8.codepoint("\u{7FFFFFFF}", 1, 1, true))
print(pcall(utf8.codepoint, "\u{7FFFFFFF}"))
print(pcall(function() for _ in utf8.codes("a\xff") do end end))
print(pcall(function() for p, c in utf8.codes("\u{200000}", true) do print(p, c) end end))
for c in s:gmatch(utf8.charpattern) do print(c, #c) end
print("\u{48}\u{E4}\u{20AC}")
