-- A hexadecimal float of millions of digits.
local numeral = "0x" .. ("f"):rep(4e6) .. "p-9"
while tonumber(numeral) do end
