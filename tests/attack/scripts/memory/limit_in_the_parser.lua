-- The last memory goes into a function that is being compiled.
-- run_timeout: 2000 ms
local kept = {}
while collectgarbage("count") < 14 * 1024 do kept[#kept + 1] = ("k"):rep(10000) .. #kept end
local i = 0
return load(function()
  i = i + 1
  return ("function f%d(a, b) return function(...) return a, b, ... end end f%d()\n"):format(i, i)
end)
