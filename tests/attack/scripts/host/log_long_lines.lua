-- Log lines of a megabyte, of which only the start is kept.
local line = ("ä"):rep(1 << 19)
for _ = 1, 1000 do task.log("error", line) end
