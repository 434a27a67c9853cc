-- Leaves coroutines asleep in each other, waiting in pcall, and with values to be closed.
left = {}
for i = 1, 200 do
  left[i] = coroutine.create(function()
    local _ <close> = setmetatable({}, {__close = function() print("PWNED") end})
    pcall(coroutine.wrap(function() pcall(coroutine.yield) end))
    pcall(coroutine.yield)
  end)
  coroutine.resume(left[i])
end
