-- The handler of each level calls the next level.
local function nest(n)
  return xpcall(error, function() return nest(n + 1) end, n)
end
for _ = 1, 1000 do pcall(nest, 1) end
