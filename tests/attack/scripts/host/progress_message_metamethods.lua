-- The message is an object whose text reports progress.
local deep = 0
local message = setmetatable({}, {})
getmetatable(message).__tostring = function()
  deep = deep + 1
  if deep < 100 then task.progress(deep, 100, message) end
  return "message " .. deep
end
for _ = 1, 100 do task.progress(1, 1, message) end
return deep
