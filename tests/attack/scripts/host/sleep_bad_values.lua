-- What is no duration must be refused.
for _, value in ipairs({0 / 0, 1 / 0, -1 / 0, -1, -1e-300, 1e300, math.maxinteger, math.mininteger, "x", {}, print}) do
  if pcall(task.sleep, value) then return "ESCAPED: slept " .. tostring(value) end
end
if pcall(task.sleep) then return "ESCAPED: slept nothing" end
task.sleep(-0.0)
task.sleep(5e-324)
task.sleep("0.001")
return "refused"
