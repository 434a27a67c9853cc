-- Every format of os.date, the undocumented ones too: none may open a file.
local texts = {}
for c = 0, 255 do
  for _, prefix in ipairs({"%", "!%", "%E", "%O", "!%E", "!%O", "%-", "%5"}) do
    local ok, text = pcall(os.date, prefix .. string.char(c), 1e9)
    if ok then texts[#texts + 1] = tostring(text) end
  end
end
pcall(os.date, ("%c"):rep(10000))
for _, time in ipairs({-2^31, 2^31, 2^55, 2^62, -2^62, math.maxinteger, math.mininteger}) do
  pcall(os.date, "%c", math.tointeger(time))
  pcall(os.date, "*t", math.tointeger(time))
  pcall(os.time, {year = math.tointeger(time), month = 1, day = 1})
  pcall(os.time, {year = 2000, month = math.tointeger(time), day = -1, sec = math.tointeger(time)})
end
return #texts > 0
