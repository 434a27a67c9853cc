-- Writes so much that the other side must stop reading, and hopes to be forgotten there.
local line = ("o"):rep(1000)
while true do pcall(print, line) end
