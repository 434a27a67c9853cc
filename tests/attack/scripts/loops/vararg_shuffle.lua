-- Passes a few values around through select for ever.
local function turn(...) return select(2, ...), (...) end
local a, b, c = 1, 2, 3
while true do a, b, c = turn(a, b, c) end
