-- Strings get a __tostring that does not return; then the error is a string.
local meta = getmetatable("")
if type(meta) == "table" then pcall(function() meta.__tostring = function() while true do end end end) end
error("a plain text")
