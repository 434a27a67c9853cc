-- A finalizer runs outside of every call that could be stopped.
local ran = false
local ok = pcall(setmetatable, {}, {__gc = function() ran = true end})
for _ = 1, 20000 do local _ = {{}, {}} end
if ok or ran then return "ESCAPED: a finalizer was taken" end
return "refused"
