-- Yields while a block is left, with results already on the stack, and is collected in between.
local function results()
  local _ <close> = setmetatable({}, {__close = function() coroutine.yield("closing") end})
  return 1, 2, 3, table.unpack({4, 5, 6})
end
for _ = 1, 200 do
  local f = coroutine.wrap(function() return results() end)
  if f() ~= "closing" then return "ESCAPED: no yield" end
  for _ = 1, 20 do local _ = ("x"):rep(1000) .. _ end
  local got = table.concat({f()}, ",")
  if got ~= "1,2,3,4,5,6" then return "ESCAPED: the results became " .. got end
end
return "the results survived"
