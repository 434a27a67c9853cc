-- A metatable with __metatable is hidden and fixed, whichever function is asked.
local hidden = {__index = {secret = 1}, __metatable = "hidden"}
local t = setmetatable({}, hidden)
if getmetatable(t) ~= "hidden" then return "ESCAPED: getmetatable shows it" end
if pcall(setmetatable, t, {}) then return "ESCAPED: setmetatable replaces it" end
if pcall(setmetatable, t, nil) then return "ESCAPED: setmetatable removes it" end
return "protected"
