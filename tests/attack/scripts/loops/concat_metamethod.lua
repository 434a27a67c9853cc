-- The value of a concatenation is what concatenates next.
local rope = setmetatable({}, {})
getmetatable(rope).__concat = function(a) return a end
while true do rope = rope .. "x" .. "y" .. rope end
