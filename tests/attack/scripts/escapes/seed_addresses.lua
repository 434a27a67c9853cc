-- math.randomseed() returns the seed that it chose, which stock Lua takes from an address.
local parts = {math.randomseed()}
for _, part in ipairs(parts) do
  if math.type(part) == "integer" and part > 1 << 40 and part < 1 << 47 then
    return ("ESCAPED: a part of the seed is %x"):format(part)
  end
end
return "the seed tells nothing"
