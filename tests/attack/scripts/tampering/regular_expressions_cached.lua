-- Fills the cache of compiled expressions with thousands, some of them wrong, among them the canary's.
re.match("ab12", "[0-9]+")
for i = 1, 3000 do pcall(re.find, "aaa" .. i, "(a+)(b|c)*" .. i .. (i % 3 == 0 and "(" or "")) end
return "filled"
