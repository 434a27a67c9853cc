-- The last memory goes into coroutines that resume each other.
local kept = {}
while collectgarbage("count") < 13 * 1024 do kept[#kept + 1] = ("k"):rep(10000) .. #kept end
local function nest(n)
  local thread = coroutine.create(function(...)
    coroutine.yield(...)
    return pcall(nest, n + 1)
  end)
  kept[#kept + 1] = thread
  coroutine.resume(thread, table.unpack({}, 1, 100))
  return coroutine.resume(thread)
end
while true do pcall(nest, 1) end
