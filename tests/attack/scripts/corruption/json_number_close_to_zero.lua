-- A number that is written with hundreds of zeros after the point: a table of powers of ten is left at its start.
for zeros = 300, 360 do
  local value = json.decode("0." .. ("0"):rep(zeros) .. "1")
  if value < 0 or value > 1e-300 then return "ESCAPED: " .. zeros .. " zeros give " .. value end
end
return "close to zero"
