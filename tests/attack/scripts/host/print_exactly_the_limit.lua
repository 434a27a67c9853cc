-- All of the output that there may be, and then a result of one byte.
for _ = 1, 64 do print(("x"):rep(1023)) end
return "ESCAPED: more than output_bytes"
