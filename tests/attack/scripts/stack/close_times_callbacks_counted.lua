-- Lua 5.4.4 counts the C levels of a coroutine that is being closed from where it was last resumed. All are resumed
-- at the bottom here; then each closing descends through callbacks of gsub and closes the next.
local count, depth = 60, 180
local threads = {}
for i = 1, count do
  threads[i] = coroutine.create(function()
    local function callback(n)
      if n == 0 then return threads[i + 1] and coroutine.close(threads[i + 1]) end
      local _ = ("x"):gsub("x", function() callback(n - 1) end)
    end
    local _ <close> = setmetatable({}, {__close = function() callback(depth) end})
    coroutine.yield()
  end)
  coroutine.resume(threads[i])
end
return coroutine.close(threads[1])
