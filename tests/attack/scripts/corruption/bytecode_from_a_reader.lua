-- The signature comes byte by byte, the rest later.
local parts, i = {"\27", "L", "u", "a", "\x54\0"}, 0
local f = load(function()
  i = i + 1
  return parts[i]
end, "=(load)", "b")
if f then return "ESCAPED: bytecode was loaded" end
return "refused"
