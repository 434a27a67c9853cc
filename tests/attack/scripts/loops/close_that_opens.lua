-- What is closed opens another to be closed.
local function scope(n)
  local _ <close> = setmetatable({}, {__close = function() return scope(n + 1) end})
end
while true do pcall(scope, 1) end
