-- The seed chosen at the start is the time and an address: tries the times around now.
local drawn = math.random(0)
for t = os.time() - 100, os.time() + 1 do
  for _, second in ipairs({0, 1, t}) do
    math.randomseed(t, second)
    if math.random(0) == drawn then return "ESCAPED: the seed was " .. t end
  end
end
return "not guessed"
