-- Functions with more constants than an instruction can name.
for _, count in ipairs({250, 256, 260, 65536, 131100}) do
  local parts = {"local t = {}\n"}
  for i = 1, count do parts[#parts + 1] = ("t[%d] = '%d'\n"):format(i, i) end
  parts[#parts + 1] = "t.last = t.x == 'end' return #t"
  local f = load(table.concat(parts))
  if f and f() ~= count then return "ESCAPED: " .. count .. " constants are not" end
end
return "they are counted"
