-- Error values whose text fails, thrown and caught without end.
local bad = setmetatable({}, {__tostring = function() error("no text") end})
while true do
  pcall(error, bad)
  pcall(tostring, bad)
end
