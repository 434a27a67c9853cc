-- table.sort: order, comparators, errors. Equal elements are not told apart: sort is not stable.
local function sorted(t, less)
  table.sort(t, less)
  return table.concat(t, " ")
end
print(sorted({}), sorted({1}), sorted({2, 1}), sorted({3, 1, 2}))
print(sorted({5, 3, 9, 1, 7, 2, 8, 4, 6, 0}))
print(sorted({5, 3, 9, 1, 7, 2, 8, 4, 6, 0}, function(a, b) return a > b end))
print(sorted({1.5, 1, -1, 0.25, 2^53, -2^53, math.mininteger, math.maxinteger}))
print(sorted({"b", "a", "C", "", "aa", "B"}))
print(sorted({"10", "9", "1"}))
print(sorted({1, 1, 1, 1}))
print(sorted({"xyz", "z", "yz"}, function(a, b) return #a < #b end))
local t = {}
for i = 1, 1000 do t[i] = i * 7919 % 1009 end
table.sort(t)
local ordered = true
for i = 2, #t do ordered = ordered and t[i - 1] <= t[i] end
print(ordered, t[1], t[500], t[1000])
for i = 1, 300 do t[i] = 300 - i end
print(sorted(table.move(t, 1, 20, 1, {})))
print(pcall(table.sort, {1, "x"}))
print(pcall(table.sort, {{}, {}}))
print(pcall(table.sort, {3, 2, 1}, function() error("stop", 0) end))
print(pcall(table.sort, {1, 2, 3, 4, 5, 6, 7, 8}, function() return true end))
print(pcall(table.sort, 5))
print(pcall(table.sort, {1, 2}, 5))
print(pcall(table.sort, {1, nil, 3}))
local objects = {}
local meta = {__lt = function(a, b) return a.n < b.n end}
for i, n in ipairs({3, 1, 2}) do objects[i] = setmetatable({n = n}, meta) end
table.sort(objects)
print(objects[1].n, objects[2].n, objects[3].n)
local log = {}
local proxy = setmetatable({}, {
  __len = function() return 3 end,
  __index = function(_, i) log[#log + 1] = "get" .. i return 4 - i end,
  __newindex = function(_, i, v) log[#log + 1] = "set" .. i .. "=" .. v end,
})
table.sort(proxy)
print(table.concat(log, " "))
