-- Runs out of memory in a message handler, then in a __close, then in a coroutine.
local kept = {}
local function fill()
  while true do kept[#kept + 1] = ("f"):rep(100000) .. #kept end
end
pcall(coroutine.wrap(function()
  local _ <close> = setmetatable({}, {__close = fill})
  xpcall(error, fill, "x")
end))
return "ESCAPED: more than memory_bytes"
