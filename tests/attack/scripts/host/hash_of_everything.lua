-- Hashes of odd and long values.
if not hash then return "no hash" end
local long = ("h"):rep(4 << 20)
while true do
  for _, f in pairs(hash) do
    for _, value in ipairs({"", "\0", long, 5, 0 / 0, {}, print, json.null}) do
      pcall(f, value)
      pcall(f, value, value)
      pcall(f, "key", value)
    end
  end
end
