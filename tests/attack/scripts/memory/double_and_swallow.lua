-- Doubles strings and catches the refusal each time, keeping what it got.
local kept = {}
while true do
  pcall(function()
    local s = ("y"):rep(1000)
    while true do
      s = s .. s
      kept[#kept + 1] = s
    end
  end)
end
