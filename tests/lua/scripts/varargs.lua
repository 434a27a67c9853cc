-- ..., select, table.pack, adjustment of values.
local function count(...) return select("#", ...) end
print(count(), count(nil), count(nil, nil), count(1, nil, 3), count(table.unpack({}, 1, 100)))
print(select(1, "a", "b", "c"))
print(select(2, "a", "b", "c"))
print(select(-1, "a", "b", "c"), select(-3, "a", "b", "c"))
print(select(4, "a", "b", "c"), (select(2, "a", "b", "c")))
print(pcall(select, 0))
print(pcall(select, -5, 1))
print(pcall(select, "x"))
print(pcall(select))
print(select(2.0, "a", "b"), select("2", "a", "b"))
local function three() return 1, 2, 3 end
print(three(), three())
print((three()), three())
print(({three(), three()})[4], #{three(), three()}, #{three(), (three())}, #{(three())})
local a, b, c, d = three()
print(a, b, c, d)
a, b = three(), 10
print(a, b)
a, b, c = 0, three()
print(a, b, c)
local function pass(...) return ... end
print(pass(), pass(nil), pass(1, nil, nil))
print((pass(1, 2)), pass(1, 2), "end")
local function tail(...) return select(2, ...) end
print(tail(1, 2, 3), tail(1), tail())
local function collect(first, ...)
  local t = {...}
  return first, #t, table.concat(t, ",")
end
print(collect(1, 2, 3, 4), collect(1))
local p = table.pack(pass(nil, 2, nil))
print(p.n, p[1], p[2], p[3])
print(table.unpack({1, 2, 3}, -1, 1))
local function upvalues(...)
  local args = {...}
  return function() return table.unpack(args) end
end
print(upvalues(1, 2, 3)())
print(pcall(load("function f() return ... end")) )
print(load("return ...")(1, 2), load("local a, b = ... return b")(1, 2))
print((function(...) local n = 0 for _, v in ipairs({...}) do n = n + v end return n end)(1, 2, 3, 4))
print((function(a, ...) a = a + 1 return a, ... end)(1, 2, 3))
print((function(...) return (function(...) return select("#", ...) end)(..., 1) end)(1, 2, 3))
print((function(...) return (function(...) return select("#", ...) end)(1, ...) end)(1, 2, 3))
print(string.format("%s %s", pass("a", "b")), math.max(pass(3, 9, 4)), #table.pack(table.unpack({}, 1, 250)))
print(pcall(pass, 1, nil, 3))
print(select("#", pcall(pass, nil, nil)))
local f = function(...) local x <const>, y = ... return y, x end
print(f(1, 2))
for i, v in (function(...) return ipairs({...}) end)("x", "y") do print(i, v) end
local i = 1
local t = {}
i, t[i] = i + 1, 20
print(i, t[1], t[2])
local x, y, z = 1, 2, 3
x, y, z = z, x, y
print(x, y, z)
