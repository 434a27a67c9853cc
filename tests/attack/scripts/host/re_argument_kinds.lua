-- Arguments of other types, positions out of range, callbacks that fail, sleep and yield.
for _, f in pairs(re) do
  for _, value in ipairs({math.mininteger, math.maxinteger, -1, 0, 1.5, 0 / 0, {}, print, json.null, ("x"):rep(100)}) do
    pcall(f, "abc", "b", value)
    pcall(f, "abc", "b", "x", value)
    pcall(f, value, value, value)
  end
end
pcall(re.gsub, "abc", ".", function() error("callback") end)
pcall(re.gsub, "abc", ".", function() task.sleep(0.001) end)
pcall(coroutine.wrap(function() re.gsub("abc", ".", coroutine.yield) end))
local function nest() return re.gsub("x", "x", nest) end
pcall(nest)
for _, f in ipairs({re.gmatch("abc", "."), re.gmatch("", ""), re.gmatch("\xff\xff", "")}) do
  for _ = 1, 10 do pcall(f, {}, print, -1) end
  pcall(coroutine.wrap(f), math.mininteger)
end
pcall(re.gsub, ("a"):rep(1000), "a", ("\\0"):rep(10000))
return "refused"
