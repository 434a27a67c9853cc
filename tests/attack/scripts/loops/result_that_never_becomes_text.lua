-- The error object's __tostring, which the server asks for its message, does not return.
error(setmetatable({}, {__tostring = function() while true do end end}))
