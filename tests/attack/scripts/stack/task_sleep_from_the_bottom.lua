-- task.sleep goes through a hundred resumers.
local function nest(n)
  if n == 0 then return task.sleep(0.001) end
  return coroutine.wrap(nest)(n - 1)
end
for depth = 1, 250, 7 do pcall(nest, depth) end
