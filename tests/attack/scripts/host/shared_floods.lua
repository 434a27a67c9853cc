-- Keys and values without end, and counters that overflow.
if not shared then return "no shared" end
for i = 1, 1 << 30 do
  if shared.set then pcall(shared.set, "flood" .. i % 100000, ("v"):rep(10000)) end
  if shared.incr then pcall(shared.incr, "n", math.maxinteger) end
  if shared.add then pcall(shared.add, "m", 1e308) end
end
