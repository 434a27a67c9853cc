-- Each level has many locals, so that the stack is large in few levels.
local function down(...)
  local a, b, c, d, e, f, g, h = ...
  local t = {down(a, b, c, d, e, f, g, h, ...)}
  return t
end
for _ = 1, 100 do pcall(down, table.unpack({}, 1, 100)) end
