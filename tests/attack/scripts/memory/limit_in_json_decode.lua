-- Memory is almost spent when json.decode begins, which holds tables that are not finished.
local kept = {}
while collectgarbage("count") < 14 * 1024 do kept[#kept + 1] = ("k"):rep(10000) .. #kept end
local text = "[" .. ('{"a":[1,2,{"b":[]}]},'):rep(20000) .. "0]"
while true do kept[#kept + 1] = json.decode(text) end
