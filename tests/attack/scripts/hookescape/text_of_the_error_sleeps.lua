-- The error's __tostring runs when the script has ended already: it sleeps, by itself and in coroutines.
error(setmetatable({}, {__tostring = function()
  pcall(task.sleep, 10)
  pcall(coroutine.wrap(function() task.sleep(10) end))
  pcall(coroutine.resume, coroutine.create(function() pcall(task.sleep, 10) coroutine.yield() end))
  pcall(coroutine.yield, 1)
  return "told"
end}))
