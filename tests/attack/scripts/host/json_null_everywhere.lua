-- json.null as a key, an operand, an index, a callee, an iterator and an error.
local null = json.null
local t = {[null] = null, null}
for _, call in ipairs({
  function() return null.x end, function() null.x = 1 end, function() return null() end, function() return null + 1 end,
  function() return #null end, function() return null .. "" end, function() return null < null end,
  function() for _ in null do end end, function() local _ <close> = null end, function() return setmetatable(null, {}) end,
  function() return rawget(null, 1) end, function() return next(null) end, function() error(null) end,
}) do
  if pcall(call) then return "ESCAPED: null can do that" end
end
if null ~= json.decode("null") or t[null] ~= null then return "ESCAPED: there are two of it" end
error(null)
