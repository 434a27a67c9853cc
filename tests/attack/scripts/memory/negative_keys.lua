-- Integer keys that never fit into the array part, so the hash part doubles.
local t = {}
for i = 1, 1 << 30 do t[-i] = true end
