-- Strings get operators, can be called, have a name and cannot be looked at.
local meta = getmetatable("")
for _, name in ipairs({"add", "sub", "concat", "len", "eq", "lt", "call", "tostring", "name", "close", "mode", "pairs",
                       "unm", "metatable"}) do
  pcall(function() meta["__" .. name] = function() return "PWNED" end end)
end
return "changed"
