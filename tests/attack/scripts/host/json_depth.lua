-- Nested text and nested tables, up to a million levels.
for _, depth in ipairs({127, 128, 129, 1000, 1000000}) do
  pcall(json.decode, ("["):rep(depth) .. ("]"):rep(depth))
  pcall(json.decode, ('{"a":'):rep(depth) .. "1" .. ("}"):rep(depth))
  pcall(json.decode, ("["):rep(depth))
end
local t = {}
for _ = 1, 100000 do t = {t} end
pcall(json.encode, t)
return t
