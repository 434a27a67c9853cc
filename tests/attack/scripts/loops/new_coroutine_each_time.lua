-- Every coroutine yields once and is forgotten.
while true do
  local thread = coroutine.create(function() coroutine.yield(1) end)
  coroutine.resume(thread)
end
