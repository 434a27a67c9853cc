-- 200 locals, 255 upvalues, and jumps across scopes.
local names = {}
for i = 1, 200 do names[i] = "v" .. i end
local list = table.concat(names, ",")
for i = 198, 201 do
  local some = table.concat(names, ",", 1, math.min(i, 200)) .. (i > 200 and ",w" or "")
  local f = load("local " .. some .. " = ... return function() return " .. some .. " end")
  if f then f(1, 2, 3)() end
end
load("do local " .. list .. " goto out end ::out:: local " .. list)
return "no matter"
