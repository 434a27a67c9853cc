-- As above, with the number of callbacks chosen so that no level is refused before the next closing.
local depth = 180
local function descend(level)
  local thread = coroutine.create(function()
    local function callback(n)
      if n == 0 then return descend(level + 1) end
      ("x"):gsub("x", function() callback(n - 1) end)
    end
    local _ <close> = setmetatable({}, {__close = function() callback(depth) end})
    coroutine.yield()
  end)
  coroutine.resume(thread)
  coroutine.close(thread)
end
pcall(descend, 1)
depth = 150
pcall(descend, 1)
depth = 100
pcall(descend, 1)
