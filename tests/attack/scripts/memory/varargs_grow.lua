-- Every call passes a few arguments more.
local function more(...) return more(1, 2, 3, 4, 5, 6, 7, 8, ...) end
more()
