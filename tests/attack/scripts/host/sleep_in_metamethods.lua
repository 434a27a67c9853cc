-- Sleeps in metamethods, iterators and closings, where Lua can wait.
local meta = {}
for _, name in ipairs({"add", "concat", "eq", "lt", "le", "index", "unm", "len", "call", "close"}) do
  meta["__" .. name] = function() task.sleep(0.0005) return name end
end
local a, b = setmetatable({}, meta), setmetatable({}, meta)
local function all()
  local _ <close> = a
  local results = {a + b, a .. b, a == b, a < b, a <= b, a.x, -a, #a, a()}
  local function count(_, i)
    task.sleep(0.0005)
    if (i or 0) < 3 then return (i or 0) + 1 end
  end
  for i in count do results[#results + 1] = i end
  return #results
end
local first = all()
if coroutine.wrap(all)() ~= first then return "ESCAPED: other results in a coroutine" end
return first
