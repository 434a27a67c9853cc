-- The widest and most exact formats there are.
local f = ("%99.99f"):rep(100)
local args = {}
for i = 1, 100 do args[i] = 1e308 end
while true do string.format(f, table.unpack(args)) end
