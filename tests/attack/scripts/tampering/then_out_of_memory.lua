-- Changes what it can and is then ended for its memory.
string.format, table.concat, tostring, type = nil, nil, nil, nil
pcall(function() getmetatable("").__index = {} end)
math.randomseed(42)
local t = {}
while true do t[#t + 1] = {t} end
