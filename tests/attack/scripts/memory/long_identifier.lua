-- One name of megabytes, which the lexer must gather.
local name = ("n"):rep(4 << 20)
local kept = {}
for i = 1, 100 do kept[i] = load(name .. i .. " = 1") end
