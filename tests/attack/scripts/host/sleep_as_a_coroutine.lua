-- task.sleep itself is the body of coroutines, is wrapped, called by pcall, and is an iterator and a metamethod.
coroutine.wrap(task.sleep)(0.001)
pcall(coroutine.wrap(pcall), task.sleep, 0.001)
for _ in task.sleep, 0.001, nil do break end
local t = setmetatable({}, {__index = task.sleep, __call = task.sleep, __close = task.sleep, __len = task.sleep})
pcall(function() return t[0.001] end)
pcall(function() return #t end)
pcall(function() local _ <close> = t end)
xpcall(task.sleep, task.sleep, -1)
for _ = 1, 5 do
  local thread = coroutine.create(task.sleep)
  coroutine.resume(thread, 0.001)
  coroutine.resume(thread)
  coroutine.close(thread)
end
return "slept"
