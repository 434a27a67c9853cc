-- Text of a few megabytes that becomes many tables.
local text = "[" .. ("[{}],"):rep(1000000) .. "0]"
return "ESCAPED: " .. #json.decode(text)
