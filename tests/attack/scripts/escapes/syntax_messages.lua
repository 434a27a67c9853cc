-- The message of a syntax error quotes what is near, but nothing else.
local _, message = load("x = '" .. ("\\x00"):rep(100) .. "\n")
if #message > 1000 then return "ESCAPED: " .. #message end
_, message = load("\0\0\0=")
if message:find("0x%x%x%x%x") then return "ESCAPED: " .. message end
return "harmless"
