-- Reads the accounts of the machine.
if io then return "ESCAPED: io" end
local ok, text = pcall(function() return io.open("/etc/passwd"):read("a") end)
if ok then return "ESCAPED: " .. text end
return "not there"
