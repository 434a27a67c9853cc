-- Inserts in front of 2^60 elements that are only said to be there.
local t = setmetatable({}, {__len = function() return 1 << 60 end})
table.insert(t, 1, "x")
