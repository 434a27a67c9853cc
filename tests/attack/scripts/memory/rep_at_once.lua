-- Asks for four gigabytes in one call.
local s = ("x"):rep(1 << 32)
return "ESCAPED: " .. #s
