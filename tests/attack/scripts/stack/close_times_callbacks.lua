-- Within each nested closing, as many nested callbacks of gsub as Lua allows: the counts multiply.
local descend
local function callbacks(n, last)
  local ok = pcall(string.gsub, "x", "x", function() callbacks(n + 1, last) end)
  if not ok and not last.done then
    last.done = true
    descend(last.level + 1)
  end
end
function descend(level)
  local thread = coroutine.create(function()
    local _ <close> = setmetatable({}, {__close = function() callbacks(1, {level = level}) end})
    coroutine.yield()
  end)
  coroutine.resume(thread)
  coroutine.close(thread)
end
descend(1)
