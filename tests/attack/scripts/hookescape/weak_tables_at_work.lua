-- Tables with weak keys and values, changing while they are collected.
local cache = setmetatable({}, {__mode = "kv"})
local keys = setmetatable({}, {__mode = "k"})
while true do
  for i = 1, 1000 do
    local t = {}
    cache[i], keys[t] = t, cache
    setmetatable(t, {__mode = "k"})[t] = t
  end
  for k in pairs(keys) do keys[k] = nil end
end
