-- An error in a wrapped coroutine closes it, and its closing fails in another.
local function nest(n)
  local f = coroutine.wrap(function()
    local _ <close> = setmetatable({}, {__close = function() nest(n + 1) end})
    error("close me")
  end)
  return f()
end
for _ = 1, 50 do pcall(nest, 1) end
