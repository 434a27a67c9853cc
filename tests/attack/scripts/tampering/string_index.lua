-- All methods of strings answer "PWNED".
local meta = getmetatable("")
pcall(function() meta.__index = function() return function() return "PWNED" end end end)
return "changed"
