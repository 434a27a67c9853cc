-- %p, in each way it can be written.
for _, f in ipairs({"%p", "%-20p", "%20p", "%%%p", "%s%p", "%d %p", "%5.5s%p", "%p%p", "%q %p", "% p", "%+p", "%0p"}) do
  local args = {}
  for i = 1, 3 do args[i] = ({["%d %p"] = 1})[f] or {} end
  local ok, text = pcall(string.format, f, table.unpack(args))
  if ok and text:find("%x%x%x%x%x%x") then return "ESCAPED: " .. f .. " gives " .. text end
end
return "refused"
