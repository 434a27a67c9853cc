-- Fills memory while the count says that there is room, and looks whether the count goes past the limit.
local kept = {}
while true do
  kept[#kept + 1] = ("k"):rep(50000) .. #kept
  if collectgarbage("count") > 20 * 1024 then return "ESCAPED: " .. collectgarbage("count") .. " KiB" end
end
