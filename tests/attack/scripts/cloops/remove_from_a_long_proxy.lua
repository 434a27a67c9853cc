-- Removes the first of 2^60 elements.
local t = setmetatable({}, {__len = function() return 1 << 60 end, __index = rawget})
return table.remove(t, 1)
