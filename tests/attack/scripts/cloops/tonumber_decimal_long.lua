-- A decimal numeral that is longer than the buffer for it, and then blanks.
local numeral = (" "):rep(4e6) .. "1" .. (" "):rep(4e6)
while tonumber(numeral) do end
