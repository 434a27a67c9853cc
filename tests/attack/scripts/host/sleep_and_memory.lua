-- Grows while it sleeps, up to the limit.
local kept = {}
while true do
  task.sleep(0.0001)
  kept[#kept + 1] = ("s"):rep(100000) .. #kept
end
