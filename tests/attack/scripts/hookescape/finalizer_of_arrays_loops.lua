-- The same, and the finalizer does not return.
local meta = getmetatable(json.array())
if type(meta) ~= "table" then return "hidden" end
meta.__gc = function() while true do end end
while true do json.array() end
