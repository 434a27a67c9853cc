-- Buffers are left half filled by errors from within gsub.
for i = 1, 10000 do
  pcall(string.gsub, ("x"):rep(100000), "x", function()
    if math.random(50000) == 1 then error("leave it") end
    return ("y"):rep(10)
  end)
end
