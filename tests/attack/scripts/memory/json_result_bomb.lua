-- The same as the result, which is written when the script has ended.
-- run_timeout: 2000 ms
local t = {1}
for _ = 1, 40 do t = {t, t} end
return t
