-- The result has a metamethod for all that a writer of JSON might ask.
local function never() while true do end end
return setmetatable({1, 2, x = 3}, {
  __len = never, __index = never, __pairs = never, __tostring = never, __call = never, __name = "x", __eq = never,
})
