-- next has to skip a long empty table again and again.
local t = {}
for i = 1, 2e5 do t["k" .. i] = true end
for k in pairs(t) do t[k] = nil end
while next(t) == nil do end
