-- Conversions between floats and integers at the edges, in loops, indexes and formats.
local edges = {2^63, -2^63, 2^53, 2^63 - 1024, math.maxinteger + 0.0, math.mininteger - 1.0, 0/0, 1/0}
for _, x in ipairs(edges) do
  pcall(function() for _ = x, x do break end end)
  pcall(function() for _ = 1, x do break end end)
  pcall(function() local t = {} t[x] = 1 return t[x] end)
  pcall(string.format, "%d", x)
  pcall(string.rep, "x", x)
  pcall(string.char, x)
  pcall(string.sub, "abc", x, x)
  pcall(table.unpack, {}, x, x)
  pcall(select, x, 1)
  pcall(utf8.char, x)
  pcall(os.date, "%c", x)
  pcall(math.random, x)
end
return "no matter"
