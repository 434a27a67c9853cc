-- Gotos in and out of blocks whose locals are captured and closed.
local text = [[
  local kept = {}
  for i = 1, 300 do
    ::again::
    local x = i
    local _ <close> = setmetatable({}, {__close = function() x = nil end})
    kept[#kept + 1] = function() return x end
    if #kept % 3 ~= 0 then goto again end
  end
  for _, f in ipairs(kept) do if f() ~= nil then return 'ESCAPED: an upvalue was not closed' end end
  return 'closed'
]]
return load(text)()
