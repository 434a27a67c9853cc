-- Closes coroutines in one another, each at the depth of C levels where Lua refuses to go on.
local threads = {}
for i = 1, 60 do
  threads[i] = coroutine.create(function()
    local function callback()
      local ok = pcall(string.gsub, "x", "x", callback)
      if not ok and threads[i + 1] then pcall(coroutine.close, threads[i + 1]) end
    end
    local _ <close> = setmetatable({}, {__close = callback})
    coroutine.yield()
  end)
  coroutine.resume(threads[i])
end
return coroutine.close(threads[1])
