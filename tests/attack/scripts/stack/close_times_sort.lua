-- Nested closings from within comparators, each with a frame of table.sort below it.
local function descend(level)
  local thread = coroutine.create(function()
    local function compare(n)
      if n == 0 then return descend(level + 1) end
      table.sort({1, 2, 3}, function() compare(n - 1) return false end)
    end
    local _ <close> = setmetatable({}, {__close = function() compare(170) end})
    coroutine.yield()
  end)
  coroutine.resume(thread)
  coroutine.close(thread)
end
pcall(descend, 1)
