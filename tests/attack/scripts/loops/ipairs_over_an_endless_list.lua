-- ipairs respects __index, and this one has an answer for each.
local t = setmetatable({}, {__index = function(_, i) return i end})
for _, v in ipairs(t) do local _ = v end
