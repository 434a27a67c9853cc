-- The debug library would open everything.
if debug then return "ESCAPED: " .. tostring(debug.getregistry) end
for _, name in ipairs({"getregistry", "getupvalue", "setupvalue", "sethook", "getinfo", "upvalueid", "traceback"}) do
  if _G[name] or string[name] or coroutine[name] then return "ESCAPED: " .. name end
end
return "not there"
