-- Seeds with other numbers and leaves the generator in the midst of its sequence.
math.randomseed(1234)
for _ = 1, 5 do math.random(0) end
math.randomseed(0)
