-- Concatenates what a metamethod makes up, from 1 to 2^62.
return table.concat(setmetatable({}, {__index = function() return "" end}), "", 1, 1 << 62)
