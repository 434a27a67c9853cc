-- __index leads through thousands of tables, beyond what Lua follows.
local last = {found = true}
for _ = 1, 3000 do last = setmetatable({}, {__index = last}) end
pcall(function() return last.found end)
last = setmetatable({}, {__newindex = last})
pcall(function() last.found = false end)
local ring = {}
setmetatable(ring, {__index = ring, __newindex = ring})
pcall(function() ring.x = ring.y end)
