-- create, resume, yield, status, wrap, running, isyieldable.
local thread = coroutine.create(function(a, b)
  print("start", a, b)
  local c = coroutine.yield(a + b)
  print("then", c)
  local d, e = coroutine.yield(c * 2, "two")
  print("last", d, e)
  return "done", nil
end)
print(coroutine.status(thread))
print(coroutine.resume(thread, 1, 2))
print(coroutine.status(thread))
print(coroutine.resume(thread, 10))
print(coroutine.resume(thread, "d", "e"))
print(coroutine.status(thread))
print(coroutine.resume(thread))
print(coroutine.resume(thread, 1))
local generator = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
print(generator(), generator(), generator(), generator())
print(pcall(generator))
print(select(2, coroutine.running()), coroutine.isyieldable())
coroutine.wrap(function()
  local me, main = coroutine.running()
  print(type(me), main, coroutine.isyieldable(), coroutine.status(me))
end)()
local outer
outer = coroutine.create(function()
  local inner = coroutine.create(function() print("outer is", coroutine.status(outer)) end)
  coroutine.resume(inner)
  print("inner is", coroutine.status(inner))
end)
coroutine.resume(outer)
print(coroutine.resume(coroutine.running()))
local itself = coroutine.wrap(function(f) return f(f) end)
print(pcall(itself, itself))
print(pcall(coroutine.yield))
print(pcall(coroutine.create))
print(pcall(coroutine.create, 5))
print(pcall(coroutine.resume, 5))
print(pcall(coroutine.status, nil))
print(pcall(coroutine.wrap, {}))
print(select("#", coroutine.resume(coroutine.create(function() return end))))
print(select("#", coroutine.resume(coroutine.create(function() return nil, nil end))))
local function permutations(items, n)
  n = n or #items
  if n <= 1 then coroutine.yield(items) return end
  for i = 1, n do
    items[n], items[i] = items[i], items[n]
    permutations(items, n - 1)
    items[n], items[i] = items[i], items[n]
  end
end
for p in coroutine.wrap(function() permutations({"a", "b", "c"}) end) do print(table.concat(p, " ")) end
local function yield_many(n)
  return coroutine.wrap(function() coroutine.yield(table.unpack({}, 1, n)) end)
end
print(select("#", yield_many(0)()), select("#", yield_many(5)()), select("#", yield_many(200)()))
print(coroutine.isyieldable(coroutine.create(print)), coroutine.isyieldable((coroutine.running())))
