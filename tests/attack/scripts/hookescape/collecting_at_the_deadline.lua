-- Is collecting garbage when the time is over: much is alive, and more is made.
local live = {}
for i = 1, 40000 do live[i] = {i, {i}, tostring(i)} end
while true do
  for i = 1, 1000 do live[i] = {{}, {}, ("g"):rep(100) .. i} end
end
