-- What identifies an object in stock Lua tells where it lies in memory.
for _, value in ipairs({{}, print, function() end, coroutine.running(), coroutine.create(print), json.null,
                        select(2, pcall(task.fail, {})), setmetatable({}, {__name = "Mine"}), json.array()}) do
  local text = tostring(value)
  if text:find("%x%x%x%x%x%x") then return "ESCAPED: " .. text end
end
return tostring({})
