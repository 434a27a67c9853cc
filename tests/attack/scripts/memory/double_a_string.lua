-- Doubles a string until something gives.
local s = "x"
while true do s = s .. s end
