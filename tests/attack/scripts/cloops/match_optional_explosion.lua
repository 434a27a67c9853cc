-- n optional characters before n that are required, doubled by captures.
local n = 150
return ("a"):rep(n):match(("a?"):rep(n) .. ("a"):rep(n) .. "b")
