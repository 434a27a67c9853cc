-- Closures, upvalues, recursion.
local function counter()
  local n = 0
  return function() n = n + 1 return n end, function() n = 0 end
end
local next_number, reset = counter()
local other = counter()
print(next_number(), next_number(), other(), next_number())
reset()
print(next_number(), other())
local fs = {}
for i = 1, 3 do fs[i] = function() i = i + 10 return i end end
print(fs[1](), fs[1](), fs[2](), fs[3]())
fs = {}
for _, v in ipairs({"a", "b"}) do fs[#fs + 1] = function() return v end end
print(fs[1](), fs[2]())
fs = {}
local i = 1
while i <= 3 do
  local captured = i
  fs[i] = function() captured = captured * 2 return captured, i end
  i = i + 1
end
print(fs[1](), fs[1](), fs[2](), fs[3]())
local function make(x)
  return function(y)
    return function(z)
      x, y = x + 1, y + 1
      return x, y, z
    end
  end
end
local deep = make(1)(10)
print(deep(100)) print(deep(200)) print(make(1)(10)(100))
local function fact(n) if n <= 1 then return 1 end return n * fact(n - 1) end
print(fact(10), fact(20), fact(21), fact(25.0))
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
print(fib(20))
local even, odd
function even(n) if n == 0 then return true end return odd(n - 1) end
function odd(n) if n == 0 then return false end return even(n - 1) end
print(even(1000), odd(1001), even(7))
local function loop(n, acc) if n == 0 then return acc end return loop(n - 1, acc + n) end
print(loop(100000, 0))
local Y = function(f) return (function(x) return x(x) end)(function(x) return f(function(...) return x(x)(...) end) end) end
print(Y(function(self) return function(n) return n == 0 and 0 or n + self(n - 1) end end)(10))
local shared = 0
local function add(n) shared = shared + n end
local function get() return shared end
add(1) add(2)
print(get(), shared)
local t = {n = 0}
function t:inc(by) self.n = self.n + (by or 1) return self end
function t.static(x) return x end
print(t:inc():inc(5).n, t.static(3), t["inc"](t).n)
local compose = function(...)
  local all = {...}
  return function(x)
    for j = #all, 1, -1 do x = all[j](x) end
    return x
  end
end
print(compose(function(x) return x + 1 end, function(x) return x * 2 end)(5))
local memo = setmetatable({}, {__index = function(self, n)
  local v = n < 2 and n or self[n - 1] + self[n - 2]
  self[n] = v
  return v
end})
print(memo[80])
local x = 1
local function shadow() local x = x + 1 do local x = x * 10 print(x) end return x end
print(shadow(), x)
print((function(...) local a, b = ... return b, a end)(1, 2))
print(pcall(function() local function forever() return 1 + forever() end return forever() end) == false)
print(select(2, pcall(function() local function forever() return 1 + forever() end return forever() end)):match("stack overflow"))
