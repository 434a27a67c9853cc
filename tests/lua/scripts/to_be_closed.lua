-- <close> and <const> in blocks, loops, functions and errors.
local function guard(name, fails)
  return setmetatable({}, {__close = function(_, e)
    print("close " .. name, e)
    if fails then error(fails, 0) end
  end})
end
do
  local a <close> = guard("a")
  local b <close> = guard("b")
  print("body", a ~= b)
end
local function early(n)
  local _ <close> = guard("early " .. n)
  if n == 1 then return "one" end
  local _ <close> = guard("late " .. n)
  return "other", n
end
print(early(1))
print(early(2))
for i = 1, 3 do
  local _ <close> = guard("loop " .. i)
  if i == 2 then break end
end
for k, v in (function() return next, {10}, nil, guard("for") end)() do print(k, v) end
for _ in (function() return next, {10, 20}, nil, guard("for with break") end)() do break end
print(pcall(function()
  local _ <close> = guard("error")
  error("raised", 0)
end))
print(pcall(function()
  local _ <close> = guard("outer")
  local _ <close> = guard("inner", "from inner")
  error("raised", 0)
end))
print(pcall(function()
  local _ <close> = guard("one", "first")
  local _ <close> = guard("two", "second")
end))
print(pcall(function() local _ <close> = nil return "nil is ignored" end))
print(pcall(function() local _ <close> = false return "false too" end))
print(pcall(function() local x <close> = 5 end))
print(pcall(function() local x <close> = {} end))
print(pcall(function() local x <close> = setmetatable({}, {__close = 5}) end))
do
  local i = 1
  ::again::
  local _ <close> = guard("goto " .. i)
  i = i + 1
  if i < 4 then goto again end
end
while true do
  local _ <close> = guard("while")
  if true then break end
end
repeat
  local _ <close> = guard("repeat")
  local stop = true
until stop
local function tail() local _ <close> = guard("tail") return (function() print("callee") return 1, 2 end)() end
print(tail())
print(load("local x <const> = 1; x = 2"))
print(load("local x <close> = nil; x = 2"))
print(load("local x <other> = 1"))
print(load("local a <close>, b <close> = 1, 2"))
print(load("local a <const>, b <close>, c = 1, nil, 3; return a, b, c")())
local x <const>, y = 10, 20
y = x + y
print(x, y, (function() return x end)())
local K <const> = "constant"
print(K .. "!", #K, K:upper())
print(select("#", (function() local _ <close> = guard("varargs") return table.unpack({}, 1, 50) end)()))
