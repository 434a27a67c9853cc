-- #t is always one more than the last time.
local n = 0
local t = setmetatable({}, {__len = function() n = n + 1 return n end})
local i = 1
while i <= #t do i = i + 1 end
