-- __tostring of one argument changes the others and the functions while they are being printed.
local args = {}
local changing = setmetatable({}, {__tostring = function()
  for i = 1, 5 do args[i] = nil end
  string.format, tostring, print = nil, nil, nil
  getmetatable("").__index = nil
  return "changed"
end})
local show, format = print, string.format
for i = 1, 5 do args[i] = changing end
show(table.unpack(args))
show(format("%s %s %s", changing, {}, changing))
show(pcall(format, changing, changing))
