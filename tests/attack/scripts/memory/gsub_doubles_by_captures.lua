-- The replacement names the whole match a hundred times.
local s = "x"
while true do s = s:gsub(".+", ("%0"):rep(100)) end
