-- __eq, __lt, __le: when they are asked and what becomes of their answers.
local calls = {}
local meta = {
  __eq = function(a, b) calls[#calls + 1] = "eq" return a.n == b.n end,
  __lt = function(a, b) calls[#calls + 1] = "lt" return (a.n or a) < (b.n or b) end,
  __le = function(a, b) calls[#calls + 1] = "le" return (a.n or a) <= (b.n or b) end,
}
local function new(n) return setmetatable({n = n}, meta) end
local one, two, also_one = new(1), new(2), new(1)
print(one == also_one, one == two, one ~= also_one, one == one)
print(one < two, two < one, one <= also_one, two <= one, one > two, one >= also_one)
print(table.concat(calls, " "))
calls = {}
print(one == 1, 1 == one, one == "1", one ~= nil)
print(#calls)
local other = setmetatable({n = 1}, {__eq = function() return "yes" end})
print(one == other, other == one, rawequal(one, also_one))
print(pcall(function() return one < 1 end))
print(pcall(function() return {} < {} end))
print(pcall(function() return {} < 1 end))
print(pcall(function() return 1 < "1" end))
print(pcall(function() return nil <= 1 end))
print(pcall(function() return true < false end))
print(pcall(function() return print < print end))
meta.__lt = function() return nil end
meta.__le = function() return 0 end
print(one < two, one <= two, not (one < two))
meta.__lt = function() return "truthy" end
print(one < two, one > two)
meta.__le = nil
print(pcall(function() return one <= two end))
local t = setmetatable({}, {__eq = function() error("asked", 0) end})
print(t == t, pcall(function() return t == {} end))
print(pcall(function() return {} == t end))
print(({} == {}), ("a" == "a"), (print == print))
