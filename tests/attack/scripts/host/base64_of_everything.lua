-- Encodings that are wrong, long, or not strings.
if not base64 then return "no base64" end
local names = {}
for name, f in pairs(base64) do
  names[#names + 1] = name
  for _, value in ipairs({"", "=", "====", "a", "ab=c", "\0\0\0", "\xff", ("A"):rep(1 << 20), ("A"):rep(3), 5, {}, print}) do
    pcall(f, value)
  end
end
local long = ("x"):rep(4 << 20)
while true do
  local ok, coded = pcall(base64.encode, long)
  if ok and base64.decode(coded) ~= long then return "ESCAPED: it changed" end
end
