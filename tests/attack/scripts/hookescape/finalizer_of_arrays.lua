-- The metatable that json gives to arrays, with a __gc: C code sets it and looks at nothing.
local ran = false
local meta = getmetatable(json.array())
if type(meta) ~= "table" then return "hidden" end
if not pcall(function() meta.__gc = function() ran = true end end) then return "fixed" end
for _ = 1, 2000 do
  json.array()
  json.decode("[[],[]]")
end
for _ = 1, 50000 do local _ = {{}, {}} end
return ran and "ESCAPED: a finalizer ran" or "none ran"
