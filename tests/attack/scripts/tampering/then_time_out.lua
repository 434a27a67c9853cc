-- Changes what it can and is then stopped by its deadline.
string.format, table.concat, pcall, print = nil, nil, nil, nil
getmetatable("").__index = nil
math.randomseed(42)
while true do end
