-- Control characters take six times their room.
local s = ("\1"):rep(6 << 20)
return "ESCAPED: " .. #json.encode({s, s, s})
