-- Turns a function into bytecode, to change it and load it again.
local dump = string.dump or (getmetatable("").__index or {}).dump or ("").dump
if dump then return "ESCAPED: string.dump" end
return "not there"
