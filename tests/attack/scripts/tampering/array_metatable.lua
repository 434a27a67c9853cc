-- The metatable of JSON arrays gets metamethods.
local meta = getmetatable(json.array())
if type(meta) == "table" then
  pcall(function()
    meta.__index = function() return "PWNED" end
    meta.__len = function() return 1000 end
    meta.__tostring = function() return "PWNED" end
    meta.__metatable = "PWNED"
  end)
end
