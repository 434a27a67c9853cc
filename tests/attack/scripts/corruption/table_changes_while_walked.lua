-- Keys come and go while next, pairs and the JSON writer walk.
for _ = 1, 100 do
  local t = {}
  for i = 1, 50 do t["k" .. i] = i end
  pcall(function()
    for k, v in pairs(t) do
      t[k] = nil
      t[k .. "x"] = v
      if v % 7 == 0 then for i = 1, 300 do t[i] = i end end
    end
  end)
  pcall(json.encode, t)
end
return "no matter"
