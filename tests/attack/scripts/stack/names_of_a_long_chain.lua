-- The message of an error names the variable, and for a chain of fields Lua 5.4.4 looks for it recursively. That takes
-- seconds before it takes all of the C stack: give it ten, and its process dies.
-- crashes Lua
local self = setmetatable({}, {})
getmetatable(self).__index = function() return self end
local text = "local x = ... return x" .. (".a"):rep(90000) .. " + 1"
return select(2, pcall(load(text), self))
