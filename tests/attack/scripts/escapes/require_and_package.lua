-- Loads libraries from files.
if package or require then return "ESCAPED: " .. (package and package.cpath or "require") end
return select(2, pcall(function() return require("io") end))
