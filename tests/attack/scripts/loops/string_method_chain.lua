-- Does the work in many short calls of C functions, so that no single one takes long.
local s = "abc"
while true do s = s:reverse():upper():lower():rep(2):sub(1, 3) end
