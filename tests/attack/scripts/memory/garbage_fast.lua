-- Makes garbage as fast as it can, in large pieces: the limit is on what is alive.
for i = 1, 1000 do
  local _ = ("g"):rep(1 << 20) .. i
end
return "the garbage was collected"
