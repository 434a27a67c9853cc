-- Each coroutine goes through metamethods before it resumes the next.
local function nest(n)
  local t = setmetatable({}, {
    __index = function()
      return coroutine.wrap(function() return ("x"):gsub("x", function() nest(n + 1) end) end)()
    end,
  })
  return t.x
end
for _ = 1, 100 do pcall(nest, 1) end
