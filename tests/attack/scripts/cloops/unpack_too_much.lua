-- Asks for more results than any stack holds.
local ok = pcall(table.unpack, {}, 1, 1e7)
local wraps = pcall(table.unpack, {}, math.mininteger, math.maxinteger)
if ok or wraps then return "ESCAPED: unpacked" end
while true do pcall(table.unpack, {}, 1, 1e6) end
