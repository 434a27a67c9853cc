-- The last that happens is a sleep that is refused, in many places where it cannot be.
local function tries()
  pcall(table.sort, {3, 2, 1}, function() task.sleep(0.01) return false end)
  pcall(string.gsub, "x", "x", function() coroutine.wrap(function() task.sleep(0.01) end)() end)
  local thread = coroutine.create(function()
    local _ <close> = setmetatable({}, {__close = function() task.sleep(0.01) end})
    coroutine.yield()
  end)
  coroutine.resume(thread)
  coroutine.close(thread)
end
tries()
error(setmetatable({}, {__tostring = function()
  pcall(coroutine.resume, coroutine.create(function() task.sleep(5) end))
  return "refused"
end}))
