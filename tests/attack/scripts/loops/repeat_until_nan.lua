-- Waits for a number to equal itself which never does.
local nan = 0 / 0
repeat nan = nan * 2 until nan == nan
