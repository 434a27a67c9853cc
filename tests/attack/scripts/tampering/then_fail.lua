-- Changes what it can and fails, with an error whose text changes more.
local meta = getmetatable("")
error(setmetatable({}, {__tostring = function()
  pcall(function() meta.__index = nil end)
  for k in next, _G do _G[k] = nil end
  return "failed"
end}))
