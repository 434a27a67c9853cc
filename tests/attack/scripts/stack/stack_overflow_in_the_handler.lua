-- The message handler itself overflows the stack, while the stack is already full.
local function down() return 1 + down() end
for _ = 1, 20 do
  xpcall(down, function() return down() end)
  xpcall(down, function() return xpcall(down, down) end)
end
