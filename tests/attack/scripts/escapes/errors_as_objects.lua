-- The value that task.fail raises belongs to the server: its metatable, its fields, its text.
local ok, failure = pcall(task.fail, "caught", {permanent = true})
if ok then return "ESCAPED: task.fail did not fail" end
if type(failure) ~= "userdata" then return "it is a " .. type(failure) end
if type(getmetatable(failure)) == "table" then return "ESCAPED: its metatable" end
if pcall(setmetatable, failure, {}) then return "ESCAPED: its metatable can be set" end
if pcall(function() failure.permanent = false end) then return "ESCAPED: it can be written" end
if pcall(rawset, failure, 1, 1) or pcall(rawlen, failure) or pcall(next, failure) then return "ESCAPED: raw" end
return tostring(failure)
