-- json.array gives its metatable to a table whose own one is protected.
local t = setmetatable({}, {__index = {secret = 1}, __metatable = "hidden"})
pcall(json.array, t)
if getmetatable(t) ~= "hidden" or t.secret ~= 1 then return "ESCAPED: json.array removed a protected metatable" end
return "protected"
