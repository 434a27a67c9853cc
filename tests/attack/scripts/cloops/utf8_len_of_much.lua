-- Counts characters, and once more from each end.
local s = ("ä"):rep(2e6)
while utf8.len(s) == 2000000 do utf8.offset(s, -1999999) end
