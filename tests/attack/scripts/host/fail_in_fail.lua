-- task.fail inside of handlers of task.fail, with messages that fail.
local bad = setmetatable({}, {__tostring = function() task.fail("inner") end})
local ok, what = pcall(task.fail, bad)
local again
ok, again = xpcall(task.fail, function(m) task.fail(m) end, what)
coroutine.wrap(function() pcall(task.fail, again, {permanent = again}) end)()
local _ <close> = setmetatable({}, {__close = function(_, e) task.fail(e, {permanent = true}) end})
task.fail(bad, setmetatable({}, {__index = function() task.fail("options") end}))
