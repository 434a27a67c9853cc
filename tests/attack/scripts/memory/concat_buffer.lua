-- table.concat of one long string many times over.
local piece = ("p"):rep(1 << 20)
local t = {}
for i = 1, 4096 do t[i] = piece end
return "ESCAPED: " .. #table.concat(t)
