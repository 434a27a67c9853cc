-- The stack grows in a metamethod and shrinks in a collection, while the caller holds on to its place.
local function deep(n) if n > 0 then return 1 + deep(n - 1) end return 0 end
local t = setmetatable({}, {
  __index = function(_, k)
    deep(10000)
    for i = 1, 500 do local _ = {i} end
    return k
  end,
  __newindex = function(_, _, v) deep(100) return v end,
})
for i = 1, 50 do
  t[i], t[i + 1], t[i + 2] = t[i], t[t[i]], t[i + t[i]]
  if t[i] + t[t[i] + 1] ~= 2 * i + 1 then return "ESCAPED: the values moved" end
end
return "they stay"
