-- Runs a script the way the sandbox does, as a chunk named "script", in the stock program: lua5.4 stock.lua FILE
local file <close> = assert(io.open(arg[1], "rb"))
assert(load(file:read("a"), "=script", "t"))()
