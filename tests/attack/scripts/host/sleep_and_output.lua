-- Prints between sleeps, so that each piece is written by itself.
while true do
  task.sleep(0.0001)
  print(("o"):rep(500))
  task.log("l")
end
