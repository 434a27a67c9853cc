-- table.sort compares objects whose __lt sorts others, in coroutines.
local meta = {}
meta.__lt = function()
  coroutine.wrap(function()
    local t = {}
    for i = 1, 5 do t[i] = setmetatable({}, meta) end
    pcall(table.sort, t)
  end)()
  return false
end
local t = {}
for i = 1, 50 do t[i] = setmetatable({}, meta) end
while true do pcall(table.sort, t) end
