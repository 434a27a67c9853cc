-- goto, labels, breaks, scopes.
do
  local i = 1
  ::top::
  if i <= 3 then
    print("round", i)
    i = i + 1
    goto top
  end
end
for i = 1, 3 do
  for j = 1, 3 do
    if j == 2 then goto next_i end
    print(i, j)
  end
  ::next_i::
end
for i = 1, 5 do
  if i % 2 == 0 then goto continue end
  print("odd", i)
  ::continue::
end
do goto done; print("never") ::done:: end
local closures = {}
do
  local i = 1
  ::loop::
  local captured = i
  closures[i] = function() captured = captured + 10 return captured end
  i = i + 1
  if i <= 3 then goto loop end
end
print(closures[1](), closures[2](), closures[3](), closures[1]())
print(load("goto missing"))
print(load("::a:: ::a::"))
print(load("goto into; local x; ::into:: print(x)"))
print(load("goto out; do ::out:: end"))
print(load("break"))
print(load("do local x goto last; local y ::last:: end return 'ok'")())
print(load("goto = 1"))
print(load("repeat goto cont; local x; ::cont:: until x"))
local n = 0
repeat
  local inner = n
  n = n + 1
until inner >= 2
print(n)
while true do
  n = n + 1
  if n > 5 then break end
end
print(n)
local x = 1
do local x = 2 do local x = 3 print(x) end print(x) end
print(x)
for i = 3, 1 do print("never", i) end
for i = 3, 1, -1 do print("down", i) end
print(pcall(load("for i = 1, 10, 0 do end")))
local function f() do return "in a block" end end
print(f())
local s = 0
for i = 1, 3 do local i = i * 2 s = s + i end
print(s)
if nil then print("nil") elseif false then print("false") elseif 0 then print("zero is true") else print("else") end
if "" then print("the empty string is true") end
print(nil and 1, false and 1, 1 and 2, nil or "or", false or nil, not nil, not 0, 1 and nil or 3)
;;; print("semicolons");
