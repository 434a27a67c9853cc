-- Loops in a coroutine in pcall in a message handler in a coroutine, and starts over when that ends.
local function again()
  return xpcall(error, function()
    pcall(coroutine.wrap(function()
      xpcall(error, function() while true do pcall(again) end end, 1)
    end))
    return again()
  end, 2)
end
while true do pcall(again) end
