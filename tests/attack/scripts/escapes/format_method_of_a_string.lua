-- The same through the methods of strings and a table as the format.
local t = setmetatable({}, {__tostring = function() return "%p" end})
local ok, text = pcall(function() return ("%p"):format({}) end)
if ok then return "ESCAPED: " .. text end
ok, text = pcall(string.format, t, {})
if ok then return "ESCAPED: " .. text end
ok, text = pcall(("%s%s"):gsub("s", "p").format, "%p", print)
if ok then return "ESCAPED: " .. text end
return "refused"
