-- Memory is almost spent when json.encode begins.
-- run_timeout: 2000 ms
local kept, t = {}, {}
for i = 1, 10000 do t[i] = {name = "n" .. i, list = {i, i + 1, i + 2}} end
while true do kept[#kept + 1] = json.encode(t) end
