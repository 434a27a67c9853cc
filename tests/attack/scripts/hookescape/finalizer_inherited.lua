-- __gc is found only through the metatable's own metatable.
local ran = false
local meta = setmetatable({}, {__index = function(_, k)
  if k == "__gc" then return function() ran = true end end
end})
for _ = 1, 50000 do setmetatable({}, meta) end
return ran and "ESCAPED: a finalizer ran" or "it was not found"
