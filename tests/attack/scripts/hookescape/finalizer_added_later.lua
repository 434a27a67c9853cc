-- __gc comes into a metatable that is in use already.
local ran = false
local meta = {}
for _ = 1, 100 do setmetatable({}, meta) end
meta.__gc = function() ran = true end
pcall(setmetatable, {}, meta)
for _ = 1, 50000 do local _ = {{}, {}} end
return ran and "ESCAPED: a finalizer ran" or "it was not looked for"
