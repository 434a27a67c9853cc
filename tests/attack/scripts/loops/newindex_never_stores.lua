-- __newindex swallows what a loop waits for.
local box = setmetatable({}, {__newindex = function() end})
while box.full == nil do box.full = true end
return "full"
