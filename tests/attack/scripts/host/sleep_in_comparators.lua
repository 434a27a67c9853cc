-- Sleeps where C code waits for an answer.
for _, call in ipairs({
  function() table.sort({3, 2, 1}, function(a, b) task.sleep(0.001) return a < b end) end,
  function() ("abc"):gsub(".", function() task.sleep(0.001) end) end,
  function() load(function() task.sleep(0.001) end) end,
  function() tostring(setmetatable({}, {__tostring = function() task.sleep(0.001) return "" end})) end,
  function() print(setmetatable({}, {__tostring = function() task.sleep(0.001) return "" end})) end,
  function() table.concat(setmetatable({}, {__index = function() task.sleep(0.001) return "" end}), "", 1, 3) end,
  function() xpcall(error, function() task.sleep(0.001) return "handled" end) end,
}) do
  pcall(call)
  coroutine.wrap(function() pcall(call) end)()
  coroutine.resume(coroutine.create(function() call() end))
end
return "still here"
