-- Removes all globals, itself last.
local next, G = next, _G
for name in next, G do G[name] = nil end
