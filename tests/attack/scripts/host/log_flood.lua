-- Logs without end, at all levels.
while true do
  for _, level in ipairs({"debug", "info", "warning", "error"}) do task.log(level, "line") end
end
