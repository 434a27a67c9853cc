-- Yields in metamethods and iterators.
local meta = {}
for _, event in ipairs({"add", "sub", "concat", "lt", "le", "eq", "index", "unm", "len", "call", "idiv", "band"}) do
  meta["__" .. event] = function() return coroutine.yield(event) end
end
meta.__newindex = function(_, k, v) coroutine.yield("newindex " .. k .. "=" .. v) end
local a, b = setmetatable({}, meta), setmetatable({}, meta)
local function run(f)
  local thread = coroutine.create(f)
  local result = table.pack(coroutine.resume(thread))
  local events = {}
  while coroutine.status(thread) == "suspended" do
    events[#events + 1] = result[2]
    result = table.pack(coroutine.resume(thread, 10 + #events))
  end
  print(table.concat(events, " "), table.unpack(result, 1, result.n))
end
run(function() return a + b end)
run(function() return a - 1, 1 - a end)
run(function() return a .. "x" .. b end)
run(function() return a < b, a <= b, a > b end)
run(function() return a == b, a ~= b end)
run(function() return a.x, a[1] end)
run(function() a.x = 1 a.y = 2 end)
run(function() return -a, #a end)
run(function() return a(1, 2) end)
run(function() return a // b & 7 end)
run(function() if a < b then return "then" else return "else" end end)
run(function() local n = 0 while n < 3 do n = n + 1 local _ = a + n end return n end)
run(function() return (a + b) + (a + b) end)
run(function() local t = {} t[a.k] = a.v return t[11] end)
run(function() for k, v in function(_, k) return coroutine.yield("next"), k end do if k > 12 then return k, v end end end)
run(function()
  for k in pairs(setmetatable({}, {__pairs = function() coroutine.yield("pairs") return next, {x = 1} end})) do return k end
end)
run(function() return pcall(function() return a + b end) end)
run(function() return select(2, pcall(error, a.x)) end)
run(function() return table.unpack({a.x, a.y}) end)
run(function() return (function(...) return select("#", ...), ... end)(a.x, a.y, a.z) end)
run(function() return (function() return a.tail end)() end)
run(function() goto on ::on:: return a.label end)
