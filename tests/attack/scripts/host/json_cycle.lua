-- A table that contains itself, in several ways.
local t = {}
t.t = t
local ok = pcall(json.encode, t)
local a, b = {}, {}
a[1], b[1] = b, a
local also = pcall(json.encode, a)
if ok or also then return "ESCAPED: a cycle was written" end
return t
