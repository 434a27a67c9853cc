-- Runs a program, ends the process, or reads its environment.
local found = {}
for _, name in ipairs({"execute", "exit", "getenv", "remove", "rename", "tmpname", "setlocale"}) do
  if os and os[name] then found[#found + 1] = name end
end
if #found > 0 then return "ESCAPED: os." .. table.concat(found, ", os.") end
return "not there"
