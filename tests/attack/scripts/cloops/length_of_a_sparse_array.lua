-- The search for a border, unbound.
local t = {}
for i = 0, 62 do t[1 << i] = true end
local n = 0
while #t > 0 do n = n + #t end
