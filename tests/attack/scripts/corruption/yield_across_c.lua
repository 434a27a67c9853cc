-- Tries to yield where a C function is on the stack that cannot be continued.
local places = {
  function() table.sort({3, 2, 1}, coroutine.yield) end,
  function() ("x"):gsub("x", coroutine.yield) end,
  function() load(coroutine.yield) end,
  function() tostring(setmetatable({}, {__tostring = coroutine.yield})) end,
  function() table.concat(setmetatable({}, {__index = coroutine.yield, __len = function() return 3 end})) end,
  function() table.unpack(setmetatable({}, {__index = coroutine.yield}), 1, 3) end,
  function() table.insert(setmetatable({}, {__newindex = coroutine.yield}), 1) end,
  function() xpcall(error, coroutine.yield) end,
}
for _, place in ipairs(places) do
  local thread = coroutine.create(place)
  for _ = 1, 10 do coroutine.resume(thread, "x") end
  coroutine.close(thread)
end
return "refused"
