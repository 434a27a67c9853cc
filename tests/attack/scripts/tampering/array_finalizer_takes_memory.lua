-- The finalizer needs more memory than there is: the next task is told that it did.
local meta = getmetatable(json.array())
if type(meta) ~= "table" then return "hidden" end
pcall(function()
  meta.__gc = function()
    local start = os.clock()
    while os.clock() < start + 0.05 do end
    local _ = ("x"):rep(1 << 30)
  end
end)
kept = json.array({1})
return "left"
