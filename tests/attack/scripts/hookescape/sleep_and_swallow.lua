-- Sleeps for a minute at a time, and catches whatever interrupts it.
for _ = 1, 100 do pcall(function() pcall(task.sleep, 60) end) end
return "ESCAPED: slept"
