-- The lists of a for loop are longer or shorter than four, with values to be closed.
local function guard() return setmetatable({}, {__close = function() error("closed") end}) end
for i = 1, 50 do
  local list = ("nil, "):rep(i) .. "1"
  local f = load("for a in next, {1}, nil, nil, " .. list .. " do end")
  if f then pcall(f) end
  f = load("local g = ... for a in next, {1}, nil, g(), " .. list .. " do break end")
  if f then pcall(f, guard) end
end
return "no matter"
