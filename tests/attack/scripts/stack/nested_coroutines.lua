-- A coroutine that resumes a coroutine that resumes one.
local function nest(n)
  return coroutine.wrap(function() return nest(n + 1) end)()
end
for _ = 1, 1000 do pcall(nest, 1) end
