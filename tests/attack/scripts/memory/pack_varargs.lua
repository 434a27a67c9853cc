-- table.pack of everything that was packed before.
local t = table.pack(1)
while true do t = table.pack(t, table.unpack(t, 1, math.min(t.n, 200000))) end
