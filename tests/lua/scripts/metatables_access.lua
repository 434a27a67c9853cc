-- __index, __newindex, __call, __tostring, __name, __metatable, __pairs, __close.
local base = {greet = function(self) return "hi " .. self.name end, shared = 1}
local derived = setmetatable({name = "d"}, {__index = base})
print(derived:greet(), derived.shared, derived.none, rawget(derived, "shared"))
derived.shared = 2
print(derived.shared, base.shared)
local asked = setmetatable({}, {__index = function(t, k) return type(t) .. ":" .. tostring(k) end})
print(asked.x, asked[1], asked[true], asked[nil])
local written = {}
local proxy = setmetatable({}, {__newindex = function(t, k, v) written[#written + 1] = k rawset(t, k, v) end})
proxy.a, proxy.b = 1, 2
proxy.a = 3
print(table.concat(written, " "), proxy.a, proxy.b)
local redirected = setmetatable({}, {__newindex = base})
redirected.extra = "there"
print(rawget(redirected, "extra"), base.extra)
local chain = setmetatable({}, {__index = setmetatable({}, {__index = setmetatable({}, {__index = {deep = "down"}})})})
print(chain.deep)
local callable = setmetatable({}, {__call = function(self, ...) return self ~= nil, select("#", ...), ... end})
print(callable(), callable(nil), callable(1, 2))
print(pcall(callable, "x"))
print(pcall(setmetatable({}, {__call = 5})))
print(select(2, pcall(function() local nothing nothing() end)))
print(select(2, pcall(function() local t = {} t.method() end)))
print(select(2, pcall(function() local t = {} t:method() end)))
print(select(2, pcall(function() (5)() end)))
print(tostring(setmetatable({}, {__tostring = function() return "shown" end})))
print(pcall(tostring, setmetatable({}, {__tostring = function() return 5 end})))
print(pcall(tostring, setmetatable({}, {__tostring = function() return nil end})))
print(pcall(tostring, setmetatable({}, {__tostring = function() error("no", 0) end})))

print(getmetatable(setmetatable({}, {__metatable = "locked"})))
print(pcall(setmetatable, setmetatable({}, {__metatable = false}), {}))
print(pcall(setmetatable, {}, 5))
print(pcall(setmetatable, {}))
print(pcall(setmetatable, 5, {}))
print(getmetatable({}), getmetatable(5), getmetatable("").__index == string)
print(getmetatable(setmetatable({}, nil)))
for k, v in pairs(setmetatable({}, {__pairs = function(t) return function(_, k) if not k then return 1, "one" end end, t, nil end})) do
  print(k, v)
end
print(pcall(function() return setmetatable({}, {__index = 5}).x end))
print(pcall(function() setmetatable({}, {__newindex = 5}).x = 1 end))
print(rawlen(setmetatable({1, 2}, {__len = function() return 10 end})), #setmetatable({1, 2}, {__len = function() return 10 end}))
print(#setmetatable({}, {__len = function() return "ten" end}))
print(rawequal(derived, derived), rawset(proxy, "c", 1) == proxy, #written)
local weak = setmetatable({}, {__mode = "k"})
weak[1] = "kept"
print(weak[1], getmetatable(weak).__mode)
local loop = {}
print(pcall(function()
  for _ = 1, 2001 do loop = setmetatable({}, {__index = loop}) end
  return loop.x
end))
local class = {}
class.__index = class
function class.new(n) return setmetatable({n = n}, class) end
function class:double() return self.n * 2 end
class.__add = function(a, b) return class.new(a.n + b.n) end
class.__eq = function(a, b) return a.n == b.n end
class.__tostring = function(c) return "class(" .. c.n .. ")" end
print(class.new(4):double(), tostring(class.new(1) + class.new(2)), class.new(3) == class.new(1) + class.new(2))
