-- Leaving the loop closes its fourth value, which does not return.
local guard = setmetatable({}, {__close = function() while true do end end})
for i in function() return 1 end, nil, nil, guard do
  if i then break end
end
