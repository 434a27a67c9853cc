-- Reverses eight megabytes for ever: a C call at a time.
local s = ("Ab"):rep(2e6)
while true do s = s:reverse():lower() end
