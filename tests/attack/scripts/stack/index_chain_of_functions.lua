-- Each __index is a function that indexes another object: a C level each.
local function object() return setmetatable({}, {__index = function(_, k) return object()[k] end}) end
while true do pcall(function() return object().x end) end
