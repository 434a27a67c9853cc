-- A thousand values to be closed, each of which fails or takes its time.
local function scope(n)
  if n == 0 then error("now") end
  local _ <close> = setmetatable({}, {__close = function()
    for i = 1, 1e5 do local _ = i end
    error("close " .. n)
  end})
  scope(n - 1)
end
scope(180)
