-- Metamethods of arithmetic, bitwise operations, concatenation and length: who is asked, with what.
local log = {}
local function show(v) return type(v) == "table" and v.name or tostring(v) end
local function new(name, events)
  local meta = {}
  for event in events:gmatch("%S+") do
    meta["__" .. event] = function(a, b) return ("%s.%s(%s,%s)"):format(name, event, show(a), show(b)) end
  end
  return setmetatable({name = name}, meta)
end
local all = "add sub mul div mod pow idiv band bor bxor shl shr concat unm bnot len"
local a, b, plain = new("a", all), new("b", all), {name = "plain"}
print(a + b, a - b, a * b, a / b, a % b, a ^ b, a // b)
print(a & b, a | b, a ~ b, a << b, a >> b, a .. b)
print(-a, ~a, #a)
print(a + 1, 1 + a, "x" + a, a + "x", plain + a, a + plain)
print(a .. 1, 1 .. a, "x" .. a, a .. "x", 1.5 .. b)
print(a & 1, 1 & a, 1.5 & a, "x" | a)
print("p" .. "q" .. a .. "r")
local half = new("half", "add")
print(half + 1, pcall(function() return half - 1 end))
print(pcall(function() return plain + 1 end))
print(pcall(function() return plain .. "x" end))
print(pcall(function() return 1 & 1.5 end))
print(pcall(function() return -plain end))
print(pcall(function() return #5 end))
print(pcall(function() return ~{} end))
local meta = {__add = function() return 1, 2, 3 end}
print(setmetatable({}, meta) + 1)
meta.__add = function() end
print(setmetatable({}, meta) + 1)
meta.__add = 5
print(pcall(function() return setmetatable({}, meta) + 1 end))
meta.__add = setmetatable({}, {__call = function(_, x, y) return "called " .. tostring(y) end})
print(setmetatable({}, meta) + 7)
meta.__unm = function(x, y) return rawequal(x, y) end
meta.__len = function(x, y) return tostring(y == nil or rawequal(x, y)) end
meta.__bnot = function(x, y) return rawequal(x, y) end
local u = setmetatable({}, meta)
print(-u, #u, ~u)
