-- What Lua 5.0 to 5.3 had, and what only the C API's tests have.
local found = {}
for name in ([[loadstring setfenv getfenv module newproxy unpack gcinfo table.getn T warn lua_dump
               bit32 arg]]):gmatch("%S+") do
  if _G[name] then found[#found + 1] = name end
end
if #found > 0 then return "ESCAPED: " .. table.concat(found, " ") end
return "not there"
