-- __tostring asks for the text of an object of its kind, through all functions that ask.
local meta = {}
local function new() return setmetatable({}, meta) end
meta.__tostring = function() return tostring(new()) end
pcall(tostring, new())
meta.__tostring = function() return ("%s"):format(new()) end
pcall(tostring, new())
meta.__tostring = function() print(new()) return "" end
pcall(tostring, new())
meta.__tostring = function() task.log(new()) return "" end
pcall(tostring, new())
meta.__tostring = function() task.progress(1, 1, new()) return "" end
pcall(tostring, new())
meta.__tostring = function() task.fail(new()) return "" end
error(new())
