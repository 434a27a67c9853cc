-- A well-formed header of bytecode, followed by noise.
local header = "\27Lua\x54\0\x19\x93\r\n\x1a\n\4\8\8\x78\x56\0\0\0\0\0\0\0\0\0\0\0\x28\x77\x40"
for _, mode in ipairs({"b", "bt", "t", "tb"}) do
  local f = load(header .. ("\x80\xff\x01"):rep(50), "x", mode)
  if f then return "ESCAPED: bytecode was loaded" end
end
return "refused"
