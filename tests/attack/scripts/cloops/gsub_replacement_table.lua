-- Each match asks a table, and the table a function, which keeps the match as it is.
local t = setmetatable({}, {__index = function() return false end})
while true do ("1"):rep(3e6):gsub("%d", t) end
