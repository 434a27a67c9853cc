-- Walking the globals calls the script.
local real = next
_G.next = function(t, k)
  if t == _G then return nil end
  return real(t, k)
end
pcall(setmetatable, _G, {__pairs = function() return function() end end})
pairs = function() return function() end end
