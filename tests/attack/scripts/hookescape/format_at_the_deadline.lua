-- Is in functions of the host that make text when the time is over, through many metamethods.
local named = setmetatable({}, {__tostring = function() return ("n"):rep(1000) end})
while true do
  local s = ("%s %s %s"):format(named, {}, print) .. tostring(named)
  pcall(task.progress, 1, 2, s)
end
