-- Resumes coroutines in one another at the bottom of as many callbacks as Lua allows.
local function descend(level)
  local function callback()
    local ok = pcall(string.gsub, "x", "x", callback)
    if not ok then pcall(coroutine.wrap(descend), level + 1) end
  end
  return callback()
end
for _ = 1, 5 do pcall(coroutine.wrap(descend), 1) end
