-- Sorts a table that says it has as many elements as sort allows.
local t = setmetatable({}, {
  __len = function() return (1 << 31) - 2 end,
  __index = function(_, i) return i end,
  __newindex = function() end,
})
table.sort(t)
