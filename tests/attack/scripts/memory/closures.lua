-- Closures with upvalues of their own.
local kept = {}
while true do
  local a, b, c = {}, {}, {}
  kept[#kept + 1] = function() return a, b, c end
end
