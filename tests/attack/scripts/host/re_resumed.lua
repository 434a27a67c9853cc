-- Goes on with an iterator after waits, in whatever process, while others fill the cache.
for word in re.gmatch(("word "):rep(50), "(w)(o)(r)(d)") do
  task.sleep(0.001)
  for i = 1, 50 do re.find("x", word .. i) end
end
return "walked"
