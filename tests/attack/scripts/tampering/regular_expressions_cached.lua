-- Fills a cache of compiled expressions with thousands, some of them wrong.
if not re then return "no re" end
for i = 1, 3000 do pcall(re.find, "aaa" .. i, "(a+)(b|c)*" .. i .. (i % 3 == 0 and "(" or "")) end
return "filled"
