-- Each label is compared with all jumps that wait for theirs: compiling takes quadratic time.
local parts = {}
for i = 1, 60000 do parts[i] = ("goto l%d "):format(i) end
for i = 60000, 1, -1 do parts[#parts + 1] = ("::l%d:: "):format(i) end
local text = table.concat(parts)
parts = nil
load(text)
