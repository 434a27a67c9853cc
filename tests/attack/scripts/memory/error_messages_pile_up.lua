-- Errors that quote long text, kept.
local kept = {}
local long = ("e"):rep(100000)
while true do
  local _, message = pcall(error, long .. #kept, 2)
  kept[#kept + 1] = message
end
