-- Values that are no progress: each must be refused, not passed on.
for _, value in ipairs({0 / 0, 1 / 0, -1 / 0, -1, "x", {}, print, math.mininteger, -0.5}) do
  for _, call in ipairs({
    function() task.progress(value) end, function() task.progress(1, value) end,
  }) do
    if pcall(call) then return "ESCAPED: progress " .. tostring(value) end
  end
end
task.progress(1e308, 5e-324)
task.progress("7", "8", 9)
return "refused"
