-- While one coroutine is being closed, another that it starts closes the one that closes it.
local main = coroutine.running()
local outer
outer = coroutine.create(function()
  local inner = coroutine.create(function()
    local _ <close> = setmetatable({}, {__close = function()
      pcall(coroutine.close, outer)
      pcall(coroutine.close, main)
      pcall(coroutine.resume, outer)
    end})
    coroutine.yield()
  end)
  coroutine.resume(inner)
  coroutine.close(inner)
  coroutine.yield("alive")
end)
local ok, said = coroutine.resume(outer)
return ok and said
