-- Other values for what is constant.
pcall(function()
  math.pi, math.huge, math.maxinteger, math.mininteger = 3, 0, 1, -1
  utf8.charpattern = "."
  _VERSION = "Lua 6"
  _G._G = nil
end)
