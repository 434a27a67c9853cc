-- An ephemeron table whose values keep its keys alive.
local weak = setmetatable({}, {__mode = "k"})
local last = {}
while true do
  local key = {}
  weak[key] = last
  last = key
  weak[#weak + 1] = key
end
