-- The environment that load gives by default is replaced in the chunk and in its functions.
local f = load([[
  _ENV = {print = print}
  x = "PWNED"
  return _ENV
]])
f()
load("_G.print = nil _ENV = nil")()
