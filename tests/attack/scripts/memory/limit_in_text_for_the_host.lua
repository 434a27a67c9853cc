-- The last memory goes into texts that the host asks for.
local kept = {}
while collectgarbage("count") < 13 * 1024 do kept[#kept + 1] = ("k"):rep(10000) .. #kept end
local big = setmetatable({}, {__tostring = function()
  local s = ("t"):rep(1 << 20)
  kept[#kept + 1] = s .. #kept
  return s
end})
for _, f in ipairs({task.progress, task.log, log.error, print}) do
  for _ = 1, 5 do pcall(f, 1, 1, big) pcall(f, "info", big) pcall(tostring, big) pcall(string.format, "%s", big) end
end
return "there was room"
