-- Long strings that differ only at their end are compared without end.
local prefix = ("p"):rep(1e6)
local t = {}
for i = 1, 8 do t[i] = prefix .. i end
while true do table.sort(t, function(a, b) return b < a end) table.sort(t) end
