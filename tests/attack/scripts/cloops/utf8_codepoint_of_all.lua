-- All code points at once: too many results.
local ok = pcall(utf8.codepoint, ("x"):rep(3e6), 1, -1)
if ok then return "ESCAPED: three million results" end
return "refused"
