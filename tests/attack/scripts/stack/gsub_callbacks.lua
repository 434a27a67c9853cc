-- gsub in the callback of gsub, without end.
local function nest(s) return (s:gsub(".", nest)) end
while true do pcall(nest, "x") end
