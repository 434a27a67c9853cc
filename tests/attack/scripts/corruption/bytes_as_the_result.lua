-- The result holds every byte there is.
local all = {}
for i = 0, 255 do all[#all + 1] = string.char(i) end
return table.concat(all):rep(16)
