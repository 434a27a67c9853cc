-- An error in the midst of functions without names, in coroutines and metamethods: what the traceback says.
local t = setmetatable({}, {__index = function() error("here") end})
local fs = {[function() end] = function() return t.x end}
for _, f in pairs(fs) do coroutine.wrap(function() f() end)() end
