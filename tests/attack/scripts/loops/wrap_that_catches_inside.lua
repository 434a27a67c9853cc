-- A loop in a coroutine in pcall in a coroutine.
local outer = coroutine.wrap(function()
  pcall(coroutine.wrap(function()
    pcall(function() while true do end end)
    while true do end
  end))
  while true do end
end)
outer()
