-- Walks continuation bytes that never end.
local s = "\xE2" .. ("\x80"):rep(8e6)
while true do pcall(utf8.offset, s, 1, #s) pcall(utf8.offset, s, -1, 1) end
