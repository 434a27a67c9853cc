-- Replaces the task, its payload and its functions.
pcall(function()
  task.payload, task.name, task.attempt = "PWNED", "queues/default/tasks/pwned", 99
  task.log = function() return "PWNED" end
  task.extra = true
end)
task = setmetatable({}, {__index = task})
