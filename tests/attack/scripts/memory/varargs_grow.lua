-- Every call passes a few arguments more.
-- run_timeout: 2000 ms
local function more(...) return more(1, 2, 3, 4, 5, 6, 7, 8, ...) end
more()
