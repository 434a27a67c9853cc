-- The deadline comes while coroutines are being closed in one another.
local function nest(n)
  local thread = coroutine.create(function()
    local _ <close> = setmetatable({}, {__close = function()
      if n > 0 then nest(n - 1) end
      while true do end
    end})
    coroutine.yield()
  end)
  coroutine.resume(thread)
  coroutine.close(thread)
end
nest(30)
