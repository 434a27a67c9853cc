-- A chain of ten thousand coroutines, each ready to resume the next.
local link = function() return "end" end
for _ = 1, 10000 do
  local next_link = link
  link = coroutine.wrap(function() return next_link() end)
end
for _ = 1, 10 do pcall(link) end
