-- Yields look like sleeps and sleeps like yields: resumers must not take one for the other.
local thread = coroutine.create(function(...)
  local a = coroutine.yield("one", ...)
  task.sleep(0.001)
  local b = coroutine.yield("two", a)
  task.sleep(0.001)
  pcall(function() task.sleep(0.001) coroutine.yield("three", b) error("x") end)
  task.sleep(0.001)
  return "end"
end)
local words = {}
for i = 1, 4 do
  local ok, word = coroutine.resume(thread, i, i)
  words[i] = tostring(ok) .. word
end
local text = table.concat(words, " ")
if text ~= "trueone truetwo truethree trueend" then return "ESCAPED: " .. text end
return text
