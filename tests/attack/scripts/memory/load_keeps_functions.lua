-- Compiled functions pile up, with their line information.
local kept = {}
while true do kept[#kept + 1] = load(("local a = 1\n"):rep(150) .. "return a") end
