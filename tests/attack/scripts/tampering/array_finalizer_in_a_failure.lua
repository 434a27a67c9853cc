-- The same with a script that fails, and with output beyond the limit.
local meta = getmetatable(json.array())
if type(meta) ~= "table" then error("hidden") end
pcall(function()
  meta.__gc = function()
    local start = os.clock()
    while os.clock() < start + 0.05 do end
    for _ = 1, 1000 do print(("PWNED"):rep(1000)) end
  end
end)
kept = json.array({1})
error("left")
