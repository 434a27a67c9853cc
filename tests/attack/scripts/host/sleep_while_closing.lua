-- Sleeps in a coroutine that is being closed, in coroutines that this one starts, and in those that they close.
local function closing(f)
  local thread = coroutine.create(function()
    local _ <close> = setmetatable({}, {__close = f})
    coroutine.yield()
  end)
  coroutine.resume(thread)
  return coroutine.close(thread)
end
for _ = 1, 20 do
  closing(function() task.sleep(0.001) end)
  closing(function() coroutine.wrap(function() task.sleep(0.001) end)() end)
  closing(function() pcall(closing, function() task.sleep(0.001) end) task.sleep(0.001) end)
  closing(function() coroutine.yield() end)
end
task.sleep(0.001)
return "still here"
