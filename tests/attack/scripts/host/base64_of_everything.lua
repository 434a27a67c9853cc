-- Encodings that are wrong, long, or not strings.
for _, f in pairs(base64) do
  for _, value in ipairs({"", "=", "====", "a", "ab=c", "\0\0\0", "\xff", ("A"):rep(1 << 20), ("A"):rep(3), 5, {}, print}) do
    pcall(f, value)
  end
end
local long = ("x"):rep(1 << 20)
while true do
  if base64.decode(base64.encode(long)) ~= long then return "ESCAPED: it changed" end
  if base64.decode_url(base64.encode_url(long)) ~= long then return "ESCAPED: it changed" end
end
