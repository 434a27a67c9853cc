-- __eq compares others of its kind, and those compare.
local meta = {}
local function new() return setmetatable({}, meta) end
local calls = 0
meta.__eq = function()
  calls = calls + 1
  if calls % 150 == 0 then return true end
  return new() == new()
end
while true do local _ = new() == new() end
