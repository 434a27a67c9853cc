-- Changes what the task is called, to be taken for another one.
task.name = "queues/default/tasks/another"
task.attempt = -1
task.payload = nil
local t = {}
for k, v in pairs(task) do t[#t + 1] = type(v) == "function" and k or nil end
table.sort(t)
return t
