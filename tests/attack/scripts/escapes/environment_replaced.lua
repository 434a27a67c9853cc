-- Functions of C must not look for their helpers in an environment that the script replaces.
local seen = {}
local real_pcall, real_print, real_error = pcall, print, error
local spy = setmetatable({}, {__index = function(_, k) seen[#seen + 1] = k end})
setmetatable(_G, {__index = function(_, k) seen[#seen + 1] = k end})
for _, name in ipairs({"tostring", "type", "error", "table", "string", "json", "coroutine"}) do _G[name] = nil end
do
  local _ENV = spy
  real_print("x")
  real_pcall(real_error, {})
end
setmetatable(_G, nil)
for _, k in ipairs(seen) do
  if k == "debug" or k == "io" then return "ESCAPED: asked for " .. k end
end
return "looked for nothing"
