-- pcall in pcall in pcall: each is a C call that Lua returns into.
local function nest(n) return pcall(nest, n + 1) end
while true do nest(1) end
