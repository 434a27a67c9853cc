-- Hashes of odd and long values.
local long = ("h"):rep(1 << 20)
while true do
  for _, f in pairs(hash) do
    for _, value in ipairs({"", "\0", long, 5, 0 / 0, {}, print, json.null}) do
      pcall(f, value)
      pcall(f, value, value)
      pcall(f, "key", value)
      pcall(f, long, long, value)
    end
  end
end
