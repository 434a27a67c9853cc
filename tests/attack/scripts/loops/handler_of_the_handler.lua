-- A message handler that fails, and so is called for its own error, again and again.
local depth = 0
while true do
  xpcall(error, function(message)
    depth = depth + 1
    error(message)
  end, "x")
end
