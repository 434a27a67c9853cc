-- Changes what it can and is then ended for its output, with some not yet written.
local print, pcall = print, pcall
_G.print, task.log, json.encode = nil, nil, nil
pcall(function() getmetatable("").__index = {} end)
while true do print("PWNED PWNED PWNED PWNED") end
