-- Arrays get a finalizer that does not return, and one is left to be finalized when the state is closed.
local meta = getmetatable(json.array())
if type(meta) ~= "table" then return "hidden" end
pcall(function() meta.__gc = function() while true do end end end)
kept = json.array()
return "left"
