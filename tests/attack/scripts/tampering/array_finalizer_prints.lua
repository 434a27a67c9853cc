-- The finalizer waits until the next task runs, and prints among its output.
local meta = getmetatable(json.array())
if type(meta) ~= "table" then return "hidden" end
pcall(function()
  meta.__gc = function()
    local start = os.clock()
    while os.clock() < start + 0.05 do end
    print("PWNED")
    task.log("PWNED")
    task.progress(1, 1, "PWNED")
  end
end)
kept = json.decode("[]")
return "left"
