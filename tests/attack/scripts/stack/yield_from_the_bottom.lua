-- Yields from the deepest place there is, and is resumed with many values.
local function down(n)
  if n == 0 then return coroutine.yield() end
  return (down(n - 1))
end
for _ = 1, 10 do
  local f = coroutine.wrap(down)
  f(50000)
  pcall(f, table.unpack({}, 1, 100000))
end
