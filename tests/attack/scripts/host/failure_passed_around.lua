-- The value of task.fail as a key, a result, a JSON value, an error of others.
local _, failure = pcall(task.fail, "x", {permanent = true})
local t = {[failure] = failure}
pcall(json.encode, t)
pcall(json.encode, {failure})
pcall(print, failure)
pcall(task.log, failure)
pcall(task.progress, failure)
pcall(error, failure, 5)
pcall(coroutine.wrap(error), failure)
return {failure}
