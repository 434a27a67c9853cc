-- The script fails at once; what it wanted to be closed goes on.
local _ <close> = setmetatable({}, {__close = function()
  local n = 0
  while true do n = n + 1 end
end})
error("at once")
