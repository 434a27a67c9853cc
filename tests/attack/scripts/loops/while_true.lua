-- Never leaves the simplest of loops.
local n = 0
while true do n = n + 1 end
