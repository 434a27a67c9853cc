-- collectgarbage without an argument means a full collection.
for _ = 1, 3 do
  local ok = pcall(collectgarbage)
  if ok then return "ESCAPED: a collection on demand" end
end
return "refused"
