-- Two coroutines hand control to each other through their resumer.
local function player()
  return coroutine.wrap(function()
    while true do coroutine.yield() end
  end)
end
local left, right = player(), player()
while true do left() right() end
