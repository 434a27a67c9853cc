-- The script ends; coroutines with much to close are still suspended.
kept = {}
for i = 1, 100 do
  kept[i] = coroutine.wrap(function()
    local _ <close> = setmetatable({}, {__close = function() print("ESCAPED: closed later") while true do end end})
    coroutine.yield()
  end)
  kept[i]()
end
return "left"
