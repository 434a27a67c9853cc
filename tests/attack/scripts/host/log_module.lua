-- The log module with odd values, floods and formats.
for _, f in pairs(log) do
  for _, value in ipairs({"", "%s %p %d", {}, print, ("\xff"):rep(10000), 0 / 0, json.null, {a = {b = print}}}) do
    pcall(f, value, value, value)
    pcall(f, "%s", value)
  end
end
while true do for _, f in pairs(log) do f("flood") end end
