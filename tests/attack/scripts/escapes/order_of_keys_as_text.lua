-- Objects as keys are ordered by where they lie; what json, print and errors show of them must not tell.
local t = {}
for _ = 1, 50 do t[function() end], t[{}], t[coroutine.create(print)] = 1, 1, 1 end
local texts = {}
for k in pairs(t) do
  texts[#texts + 1] = tostring(k) .. select(2, pcall(json.encode, {k})) .. select(2, pcall(json.encode, {[k] = 1}))
  texts[#texts + 1] = tostring(select(2, pcall(error, k))) .. select(2, pcall(next, {}, k))
end
local all = table.concat(texts)
if all:find("%x%x%x%x%x%x%x") then return "ESCAPED: " .. all:match(".......?.?.?.?%x%x%x%x%x%x%x+") end
return "all look the same"
