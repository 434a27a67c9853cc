-- Keys die while next stands on them, and collections come in between.
local weak = setmetatable({}, {__mode = "kv"})
for round = 1, 30 do
  for i = 1, 2000 do weak[{}], weak[i] = {}, {i} end
  local n = 0
  for k in next, weak do
    n = n + 1
    if n % 50 == 0 then for _ = 1, 200 do local _ = {{}, {}} end end
    weak[k] = nil
  end
end
return next(weak) == nil or "some are left"
