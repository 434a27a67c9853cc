-- Calling the table calls a table that is callable; each is made on the way.
local function callable(n)
  return setmetatable({}, {__call = function(_, ...) return callable(n + 1), ... end})
end
local f = callable(1)
while true do f = f(1, 2, 3) end
