-- The error's __tostring closes the thread that the script ran in, and starts it again.
local main = coroutine.running()
error(setmetatable({}, {__tostring = function()
  local notes = {coroutine.status(main)}
  notes[#notes + 1] = tostring(pcall(coroutine.resume, main))
  notes[#notes + 1] = tostring(pcall(coroutine.close, main))
  notes[#notes + 1] = tostring(select(2, pcall(coroutine.resume, main, function() while true do end end)))
  notes[#notes + 1] = tostring(pcall(coroutine.close, main))
  return table.concat(notes, " ")
end}))
