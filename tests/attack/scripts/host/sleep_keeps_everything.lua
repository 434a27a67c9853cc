-- Whatever a script holds is the same after it has slept: values of all types, in locals, upvalues, coroutines.
local function state()
  local n = 0
  local t = {1, 2.5, "text", true, json.null, {deep = {deeper = {1, 2, 3}}}, ("x"):rep(5000), "\0\xff"}
  local co = coroutine.wrap(function(a) while true do a = coroutine.yield(a + n) end end)
  co(0)
  return function()
    n = n + 1
    local parts = {n, co(n), json.encode(t[6]), #t[7], t[8], tostring(t[5] == json.null), t[2], select("#", table.unpack(t))}
    for i = 1, #parts do parts[i] = tostring(parts[i]) end
    return table.concat(parts, " ")
  end
end
local awake, sleeper = state(), state()
local weak = setmetatable({}, {__mode = "v"})
for i = 1, 60 do
  weak[i] = {}
  task.sleep(0.0005 * (i % 3))
  local a, b = awake(), sleeper()
  if a ~= b then return "ESCAPED: " .. a .. " became " .. b end
  coroutine.wrap(function() task.sleep(0.0005) end)()
  local garbage = {}
  for j = 1, 200 do garbage[j] = {j} end
end
return "the same"
