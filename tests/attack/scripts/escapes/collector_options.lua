-- Stops or tunes the collector, which the memory limit relies on.
for _, option in ipairs({"stop", "restart", "collect", "step", "setpause", "setstepmul", "incremental", "generational",
                         "isrunning", "count\0stop", "", 0, 9}) do
  local ok, value = pcall(collectgarbage, option, 0, 0, 0)
  if ok and option ~= "count\0stop" then return "ESCAPED: collectgarbage " .. option .. " " .. tostring(value) end
end
return collectgarbage("count") > 0
