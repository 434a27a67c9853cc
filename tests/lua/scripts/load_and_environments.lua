-- load: chunks, names, environments, readers, syntax errors.
print(load("return 1 + 1")())
print(load("x = "))
print(load("return", "name")())
print(type(load("error('e')", "=name")))
print(pcall(load("error('e')", "=name")))
print(pcall(load("error('e')", "@file.lua")))
print(pcall(load("error('e')", "error('e') -- a chunk that is named by its text")))
print(pcall(load("error('e')", "first line\nsecond line")))
print(pcall(load("\n\nerror('e')", "=" .. ("n"):rep(100))))
print(pcall(load("error('e')", "@" .. ("n"):rep(100))))
local env = {print = print}
print(load("x = 5; return x", "c", "t", env)(), env.x, x)
print(load("return _ENV", "c", "t", env)() == env)
print(pcall(load("return x", "c", "t", nil)))
print(pcall(load("return tostring(1)", "c", "t", {})))
print(load("local _ENV = {y = 7}; return y")())
local function sandboxed() local _ENV <const> = {n = 3} return n end
print(sandboxed())
do
  local _ENV = setmetatable({}, {__index = _G})
  z = 10
  print(z, _G.z)
end
print(_ENV == _G, _G._G == _G, _G.print == print)
local parts = {"return ", "1", " + ", "41"}
local i = 0
print(load(function() i = i + 1 return parts[i] end)())
print(type(load(function() return nil end)))
print(pcall(load(function() return nil end)))
print(load(function() error("reader", 0) end))
print(load("\27Lua", "c", "t"))
print(load("return ...", "c")(1, 2, 3))
print(load("local a = 1; return function() a = a + 1; return a end")()())
for _, text in ipairs({
  "x", "x =", "= 1", "1 = 2", "local", "local 1", "if", "if x", "if x then", "for", "for i", "for i =", "for i = 1", "for i in",
  "while", "repeat", "until", "end", "function", "function f", "function f(", "function f(a,", "return return", "x = }", "x = {",
  "x = (", "f(", "a.", "a:", "a:b", "a.1", "goto", "::", "::x", "'abc", "\"abc", "[[abc", "--[[abc", "'\\q'", "'\\300'", "'\\xZZ'",
  "'\\u{110000000}'", "'\\u'", "x = 1e", "x = 0x", "x = 3x", "x = 1..2", "x = @", "x = $", "x = !y", "x != y", "x = a b", "x, y",
  "x, = 1", "f() = 1", "(x) = 1", "local function", "local x <bad> = 1", "and", "x = and", "x = not", "x = #", "...", "x = 1 +",
  "function f() return ... end", "do", "else", "elseif", "break", "return 1,", "local a <const> = 1; a = 2", "x = 'a\nb'",
}) do
  print(select(2, load(text, "=c")))
end
