-- Is writing or reading JSON when the time is over.
local t = {}
for i = 1, 5000 do t[i] = {name = "n" .. i, list = {i, i + 0.5, {x = "y"}}, text = ("t"):rep(50)} end
while true do t = json.decode(json.encode(t)) end
