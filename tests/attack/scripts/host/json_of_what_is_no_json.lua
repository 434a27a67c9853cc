-- Values that JSON has no words for, at all depths.
for _, value in ipairs({print, coroutine.running(), function() end, "\xff", "\xed\xa0\x80"}) do
  for _, holder in ipairs({value, {value}, {a = value}, {{{{value}}}}, {a = {b = {c = value}}}}) do
    if pcall(json.encode, holder) then return "ESCAPED: " .. type(value) .. " was written" end
  end
end
for _, t in ipairs({{[1.5] = 1}, {[true] = 1}, {[{}] = 1}, {1, 2, x = 3}, {[print] = 1}, {["\xff"] = 1}, {[json.null] = 1}}) do
  if pcall(json.encode, t) then return "ESCAPED: a key was lost" end
end
return {[{}] = 1}
