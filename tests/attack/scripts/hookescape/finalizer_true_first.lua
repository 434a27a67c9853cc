-- Marks the object with any __gc, and puts the function in later.
local ran = false
for _, first in ipairs({true, 0, "x", {}}) do
  local meta = {__gc = first}
  if pcall(setmetatable, {}, meta) then
    meta.__gc = function() ran = true end
    for _ = 1, 20000 do local _ = {{}, {}} end
  end
end
return ran and "ESCAPED: a finalizer ran" or "refused"
