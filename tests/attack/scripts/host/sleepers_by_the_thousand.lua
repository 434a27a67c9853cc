-- A thousand coroutines, each of which sleeps shortly whenever it is resumed.
local sleepers = {}
for i = 1, 1000 do
  sleepers[i] = coroutine.wrap(function()
    while true do
      task.sleep(0.0001)
      coroutine.yield(i)
    end
  end)
end
while true do
  for i = 1, 1000 do
    if sleepers[i]() ~= i then return "ESCAPED: another one answered" end
  end
end
