-- Text with a zero byte in it ends there for whoever reads C strings: two readers see two different texts.
local found = {}
for _, text in ipairs({"1\0", "[1]\0 and more", '{"a":1}\0{"a":2}', "null\0\0"}) do
  local ok, value = pcall(json.decode, text)
  if ok then found[#found + 1] = ("%q as a %s"):format(text, type(value)) end
end
if #found > 0 then return "ESCAPED: it read " .. table.concat(found, ", ") end
return "refused"
