-- Modes that are not what they seem: numbers, strings with zeros, objects with __tostring.
local text = "\27Lua"
for _, mode in ipairs({"\0b", "b\0t", "", 1, "bbbbbbbbbb"}) do
  local ok, f = pcall(load, text, "x", mode)
  if ok and f then return "ESCAPED: mode " .. mode end
end
return pcall(load, text, "x", setmetatable({}, {__tostring = function() return "b" end}))
