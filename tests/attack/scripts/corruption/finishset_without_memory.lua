-- The key of an assignment is being made when memory is short: an old Lua then used a table that was freed.
-- run_timeout: 2000 ms
local kept = {}
pcall(function()
  for i = 1, 1 << 30 do
    local t = setmetatable({}, {__newindex = function(self, k, v) rawset(self, k, v) end})
    t["k" .. i] = {i}
    kept[i] = t
  end
end)
return "ESCAPED: more than memory_bytes"
