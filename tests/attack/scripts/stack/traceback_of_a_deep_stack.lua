-- An error at the bottom of a deep stack, which is then described.
local function down(n)
  if n == 0 then error("at the bottom") end
  return (down(n - 1))
end
down(150000)
