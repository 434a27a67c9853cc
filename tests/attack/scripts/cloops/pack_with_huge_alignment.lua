-- Formats that pad, repeat and nest.
local f = ("!16 Xi16"):rep(10000)
while true do
  pcall(string.pack, f)
  pcall(string.packsize, ("c2147483647"):rep(3))
  pcall(string.unpack, ("z"):rep(200), ("\0"):rep(100))
end
