-- A coroutine dies of an error while values wait to be closed, is then closed, resumed, closed again.
local thread = coroutine.create(function()
  local a <close> = setmetatable({}, {__close = function() error("a") end})
  local b <close> = setmetatable({}, {__close = function() error({}) end})
  error(a and b and "first")
end)
for _ = 1, 5 do
  coroutine.resume(thread)
  coroutine.close(thread)
end
return coroutine.status(thread)
