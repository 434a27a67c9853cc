-- The message of an error names the variable: for a chain of fields Lua 5.4.4 looks for it recursively.
-- crashes Lua
-- run_timeout: 4000 ms
local self = setmetatable({}, {})
getmetatable(self).__index = function() return self end
local text = "local x = ... return x" .. (".a"):rep(120000) .. " + 1"
return select(2, pcall(load(text), self))
