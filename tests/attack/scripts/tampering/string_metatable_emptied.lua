-- Takes everything out of the metatable of strings.
local meta = getmetatable("")
if type(meta) == "table" then
  for k in next, meta do pcall(rawset, meta, k, nil) end
end
return "changed"
