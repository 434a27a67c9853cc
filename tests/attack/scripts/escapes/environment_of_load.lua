-- Chunks with environments of all kinds: what they cannot see they must not find.
local found = {}
for _, env in ipairs({{}, setmetatable({}, {__index = function() return nil end}), "", 5, print}) do
  for name in ("io os print _G _ENV require string debug"):gmatch("%S+") do
    local f = load("return " .. name, "=x", "t", env)
    local ok, value = pcall(f)
    if ok and value ~= nil and name ~= "_ENV" and value ~= string[name] then found[#found + 1] = name end
  end
end
local f = load("return print, _ENV", "=x", "bt", nil)
if pcall(f) then return "ESCAPED: globals without an environment" end
if #found > 0 then return "ESCAPED: " .. table.concat(found, " ") end
return "nothing"
