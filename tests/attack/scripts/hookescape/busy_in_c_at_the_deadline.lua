-- Is in a C function whenever someone looks: no instruction of Lua runs for seconds.
local s = ("a"):rep(10000)
repeat until s:find(("a-"):rep(12) .. "b")
return "ESCAPED: it was found"
