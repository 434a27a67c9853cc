-- Libraries that have an answer for everything.
for _, name in ipairs({"string", "table", "math", "utf8", "coroutine", "os", "json", "task", "re", "base64",
    "hash", "log", "shared"}) do
  if _G[name] then pcall(setmetatable, _G[name], {__index = function() return "PWNED" end}) end
end
