-- Yields inside of pcall and xpcall and errors after each resumption.
local thread = coroutine.create(function()
  for _ = 1, 100 do
    pcall(function()
      xpcall(function() error(coroutine.yield()) end, function(m) return m end)
      error(coroutine.yield())
    end)
  end
  return "done"
end)
local ok, value
repeat ok, value = coroutine.resume(thread, {("m"):rep(100)}) until coroutine.status(thread) == "dead"
return value
