-- __gc, __close and __mode in the metatable of strings.
local ran = false
local meta = getmetatable("")
if type(meta) == "table" then
  pcall(function()
    meta.__gc = function() ran = true end
    meta.__mode = "kv"
    meta.__close = function() ran = true end
  end)
end
for i = 1, 50000 do local _ = ("s"):rep(100) .. i end
return ran and "ESCAPED: a finalizer ran" or "none ran"
