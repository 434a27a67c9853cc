-- The same through method calls and through indexes of other kinds, which end the search.
local self = setmetatable({}, {__call = function(s) return s end})
getmetatable(self).__index = function() return self end
for _, link in ipairs({":a()", "[1]", "['b c']", ".a[1]"}) do
  local f = load("local x = ... return (x" .. link:rep(10000) .. ") + 1")
  if f then pcall(f, self) end
end
