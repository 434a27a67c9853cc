-- Leaves ten thousand globals.
for i = 1, 10000 do _G["left_" .. i] = i end
secret = "left by another task"
