-- Prints values of all types; the test reads the output.
print({}, print, coroutine.running(), json.null, setmetatable({}, {__name = "Mine"}), json.array())
print(setmetatable({}, {__tostring = function() return tostring({}) end}))
for _, value in ipairs({{}, print, coroutine.create(print)}) do
  task.log(value)
  log.info(value, json.null)
  task.progress(1, 2, value)
end
