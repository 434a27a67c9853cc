-- Digits in base 36, by the million.
local numeral = ("z"):rep(5e6)
while true do tonumber(numeral, 36) end
