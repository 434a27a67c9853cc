-- A coroutine being closed asks to be closed, resumed and wrapped again.
local thread
thread = coroutine.create(function()
  local _ <close> = setmetatable({}, {__close = function()
    for _, f in ipairs({coroutine.close, coroutine.resume, coroutine.status}) do
      for _ = 1, 3 do pcall(f, thread) end
    end
    coroutine.resume(coroutine.create(function() pcall(coroutine.close, thread) end))
    error("still closing")
  end})
  coroutine.yield()
end)
coroutine.resume(thread)
for _ = 1, 3 do pcall(coroutine.close, thread) end
return coroutine.status(thread)
