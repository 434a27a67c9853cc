-- %q of a long binary string.
local s = ("\0\r\n\\\""):rep(4e5)
while true do string.format("%q", s) end
