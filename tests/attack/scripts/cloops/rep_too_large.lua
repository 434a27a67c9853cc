-- The length of the result does not fit into an integer.
local ok = pcall(string.rep, "ab", math.maxinteger)
local also = pcall(string.rep, "", math.maxinteger, "x")
if ok or also then return "ESCAPED: a string of 2^63 bytes" end
return "refused"
