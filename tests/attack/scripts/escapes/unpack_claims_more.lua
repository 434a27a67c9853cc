-- The length in the data is larger than the data.
for _, size in ipairs({4, 100, 1 << 31, math.maxinteger, -1}) do
  local ok, value = pcall(string.unpack, "s8", string.pack("j", size) .. "abc")
  if ok then return "ESCAPED: " .. #value .. " bytes" end
end
return "refused"
