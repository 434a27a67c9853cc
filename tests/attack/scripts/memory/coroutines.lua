-- Coroutines that wait for ever, each with a stack.
local kept = {}
while true do
  local thread = coroutine.create(function(...) coroutine.yield(...) end)
  coroutine.resume(thread, table.unpack({}, 1, 200))
  kept[#kept + 1] = thread
end
