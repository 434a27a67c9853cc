-- A format that puts one long string in a thousand times.
local long = ("l"):rep(1 << 20)
local f, args = ("%s"):rep(200), {}
for i = 1, 200 do args[i] = long end
return "ESCAPED: " .. #f:format(table.unpack(args))
