-- Compiles without end.
while true do load("local a <const> = 1 return function(...) return a, ... end") end
