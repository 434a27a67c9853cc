-- Draws from the generator as it is at the start: the next task in this process must not draw the same.
local drawn = {}
for i = 1, 10 do drawn[i] = ("%x"):format(math.random(0)) end
return table.concat(drawn, " ")
