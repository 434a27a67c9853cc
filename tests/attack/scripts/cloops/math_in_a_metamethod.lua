-- Modulo, powers and shifts of extreme values, which must not trap.
local values = {math.mininteger, -1, 0.0, math.maxinteger, math.huge, -math.huge, 0 / 0}
while true do
  for _, a in ipairs(values) do
    for _, b in ipairs(values) do
      pcall(function() return a // b, a % b, a ^ b, math.fmod(a, b), a << b, a >> b, math.ult(a, b) end)
    end
  end
end
