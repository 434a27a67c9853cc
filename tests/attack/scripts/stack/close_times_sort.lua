-- The same with comparators of table.sort, whose frames differ.
local count, depth = 60, 180
local threads = {}
for i = 1, count do
  threads[i] = coroutine.create(function()
    local function compare(n)
      if n == 0 then return threads[i + 1] and coroutine.close(threads[i + 1]) end
      table.sort({1, 2}, function() compare(n - 1) return false end)
    end
    local _ <close> = setmetatable({}, {__close = function() compare(depth) end})
    coroutine.yield()
  end)
  coroutine.resume(threads[i])
end
return coroutine.close(threads[1])
