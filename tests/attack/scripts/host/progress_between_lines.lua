-- Progress and print in turns, so that nothing can be gathered.
local n = 0
while true do
  n = n + 1
  task.progress(n)
  print("")
end
