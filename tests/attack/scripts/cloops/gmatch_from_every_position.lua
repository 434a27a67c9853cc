-- Tries a costly pattern from each position of a long text.
local found = 0
for _ in ("ab"):rep(1e6):gmatch("a.-a.-a.-a.-c") do found = found + 1 end
return found
