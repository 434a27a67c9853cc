-- Arrays with holes and borders in odd places, marked as arrays.
local sparse = json.array()
for i = 0, 62 do sparse[1 << i] = true end
pcall(json.encode, sparse)
local t = json.array({n = 1})
pcall(json.encode, t)
pcall(json.array, 5)
pcall(json.array, "x")
pcall(json.array, _G)
pcall(json.array, string)
pcall(json.array, getmetatable(json.array()))
local holes = json.array({1, nil, nil, 4, [1 << 40] = 1})
pcall(json.encode, holes)
return sparse
