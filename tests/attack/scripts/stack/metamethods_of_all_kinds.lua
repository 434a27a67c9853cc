-- Every operation descends into another kind of metamethod.
local meta = {}
local x = setmetatable({}, meta)
meta.__add = function(a, b) return a - b end
meta.__sub = function(a, b) return a .. b end
meta.__concat = function(a) return #a end
meta.__len = function(a) return a < a end
meta.__lt = function(a, b) return a <= b end
meta.__le = function(a) return a() end
meta.__call = function(a) return a[1] end
meta.__index = function(a) return -a end
meta.__unm = function(a) a[1] = 1 return 1 end
meta.__newindex = function(a) return a + a end
while true do pcall(function() return x + x end) end
