-- A function with more constants than fit.
local parts = {}
for i = 1, 300000 do parts[i] = ("'%d'"):format(i) end
local text = "return {" .. table.concat(parts, ",") .. "}"
return #load(text)()
