-- Memory runs out while an error unwinds through values to be closed and coroutines.
local kept = {}
local function fill() while true do kept[#kept + 1] = ("f"):rep(50000) .. #kept end end
local thread = coroutine.create(function()
  local _ <close> = setmetatable({}, {__close = fill})
  coroutine.yield()
end)
coroutine.resume(thread)
pcall(coroutine.close, thread)
return "ESCAPED: more than memory_bytes"
