-- Sleeps at many depths, while others yield values through the same resumers.
local function nest(n)
  return coroutine.wrap(function()
    if n == 0 then
      for i = 1, 5 do
        task.sleep(0.0005)
        coroutine.yield(i)
      end
      return "end"
    end
    local inner = nest(n - 1)
    for _ = 1, 6 do
      local value = inner()
      task.sleep(0.0005)
      coroutine.yield(value)
    end
  end)
end
local outer, got = nest(10), {}
for i = 1, 6 do got[i] = tostring(outer()) end
local text = table.concat(got, " ")
if text ~= "1 2 3 4 5 end" then return "ESCAPED: the values became " .. text end
return text
