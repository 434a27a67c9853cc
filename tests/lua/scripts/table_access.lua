-- Length, next, pairs, ipairs, keys of all types, raw access.
local t = {10, 20, 30, nil, n = 1}
print(#t, t[1], t[4], t.n, t.x, rawlen(t), rawget(t, 2))
print(#{1, 2, nil}, #{n = 1}, #{[1] = 1, [2] = 2}, #"abc", rawlen("abc"))
t = {}
t[1.0] = "float one"
t[2^53] = "big"
print(t[1], next(t) == 1, t[2^53 | 0], math.type(next(t)))
t["1"] = "text"
print(t[1], t["1"], t[true], t[1.5])
t[true], t[1.5], t[-1], t[0] = "yes", "half", "minus", "zero"
print(t[true], t[1.5], t[-1], t[0], t[-0.0])
print(pcall(function() t[nil] = 1 end))
print(pcall(function() t[0 / 0] = 1 end))
print(t[nil], t[0 / 0])
print(pcall(rawset, t, nil, 1))
print(pcall(next, {}, "no such key"))
print(next({}), next({5}), pcall(next))
local seen = {}
for k, v in pairs({a = 1, b = 2, c = 3}) do seen[#seen + 1] = k .. v end
table.sort(seen)
print(table.concat(seen, " "))
for i, v in ipairs({1, 2, nil, 4}) do print(i, v) end
for i, v in ipairs(setmetatable({}, {__index = function(_, i) if i < 4 then return i * i end end})) do print(i, v) end
for k, v in pairs(setmetatable({}, {__pairs = function(t) return function(_, k) if not k then return 1, 2 end end, t end})) do
  print(k, v)
end
local array = {}
for i = 1, 10 do array[i] = i end
for k in pairs(array) do if k % 2 == 0 then array[k] = nil end end
local left = {}
for k in pairs(array) do left[#left + 1] = k end
table.sort(left)
print(table.concat(left, " "))
local order = {}
for k in pairs({1, 2, 3, 4, 5}) do order[#order + 1] = k end
print(table.concat(order, " "))
print(rawequal(t, t), rawequal(t, {}), rawequal("a", "a"), rawequal(1, 1.0), 1 == 1.0)
print(pcall(rawlen, 5))
print(pcall(rawget, 5, 1))
print(pcall(rawset, "x", 1, 2))
print(rawset({}, 1, 2)[1])
print(select("#", table.unpack({}, 1, 0)), #table.pack(1, nil, 3))
local nested = {a = {b = {c = 1}}}
nested.a.b.c = nested.a.b.c + 1
print(nested.a.b.c, nested["a"]["b"]["c"])
print(({1, 2, 3})[2], ({x = 1}).x, #{(function() return 1, 2, 3 end)()}, #{(function() return 1, 2 end)(), 1})
print(pcall(function() local n; n.x = 1 end))
print(pcall(function() return undefined.x end))
print(pcall(function() return t.x.y.z end))
