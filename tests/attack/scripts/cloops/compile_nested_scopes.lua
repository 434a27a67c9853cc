-- Names are looked for through all locals of all enclosing functions, for each use.
local open, close = {}, {}
for level = 1, 60 do
  local names = {}
  for i = 1, 150 do names[i] = ("v%d_%d"):format(level, i) end
  open[level] = "local " .. table.concat(names, ",") .. " local function f() "
  close[level] = "end "
end
local text = table.concat(open) .. ("missing = missing "):rep(20000) .. table.concat(close)
while true do load(text) end
