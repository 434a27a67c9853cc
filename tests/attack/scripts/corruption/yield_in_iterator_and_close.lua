-- A generic for whose iterator, state and closing value yield and are closed from outside.
local function closer(name) return setmetatable({}, {__close = function() pcall(coroutine.yield, name) end}) end
for stop = 1, 8 do
  local thread = coroutine.create(function()
    for i in function(_, i) coroutine.yield("step") return (i or 0) < 3 and (i or 0) + 1 or nil end, nil, nil, closer("end") do
      local _ <close> = closer("body")
      coroutine.yield(i)
    end
    return "done"
  end)
  for _ = 1, stop do coroutine.resume(thread) end
  coroutine.close(thread)
  if coroutine.status(thread) ~= "dead" then return "ESCAPED: closed but " .. coroutine.status(thread) end
end
return "closed"
