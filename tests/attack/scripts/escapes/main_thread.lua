-- The thread of the script itself, in the hands of the script: resumed, closed, yielded.
local main, is_main = coroutine.running()
local tries = {
  function() return coroutine.resume(main) end, function() return coroutine.close(main) end,
  function() return coroutine.wrap(function() return coroutine.resume(main, 1) end)() end,
  function() return coroutine.wrap(function() return coroutine.close(main) end)() end,
  function() return coroutine.yield(1) end,
}
for i, try in ipairs(tries) do
  local ok, value = pcall(try)
  if ok and value == true then return "ESCAPED: try " .. i end
end
return tostring(is_main) .. coroutine.status(main)
