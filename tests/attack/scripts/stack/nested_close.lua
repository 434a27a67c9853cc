-- Each coroutine's closing closes the coroutine before it.
local function nest(thread)
  local outer = coroutine.create(function()
    local _ <close> = setmetatable({}, {__close = function() if thread then coroutine.close(thread) end end})
    coroutine.yield()
  end)
  coroutine.resume(outer)
  return outer
end
local thread
for _ = 1, 20000 do thread = nest(thread) end
coroutine.close(thread)
