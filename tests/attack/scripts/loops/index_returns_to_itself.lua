-- __index asks for a key of the same table, which is not there either, a level at a time and caught each time.
local t = setmetatable({}, {})
getmetatable(t).__index = function(self, key) return self[key + 1] end
while true do pcall(function() return t[1] end) end
