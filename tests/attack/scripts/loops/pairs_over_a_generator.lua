-- __pairs gives an iterator that always has another.
local t = setmetatable({}, {__pairs = function() return function(_, k) return (k or 0) + 1 end end})
for _ in pairs(t) do end
