-- Long strings which differ only in the middle.
local t = {}
local edge = ("e"):rep(1000)
for i = 1, 2000 do t[edge .. i .. edge] = true end
local k
repeat k = next(t, k) until not k
while true do for i = 1, 2000 do local _ = t[edge .. i .. edge] end end
