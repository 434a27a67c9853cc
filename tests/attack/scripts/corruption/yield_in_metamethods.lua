-- Yields within each kind of metamethod, which keeps a temporary on the stack meanwhile.
local meta = {}
for _, name in ipairs({"add", "concat", "eq", "lt", "le", "index", "unm", "len", "call", "band", "shl", "idiv"}) do
  meta["__" .. name] = function() return coroutine.yield(name) end
end
local a, b = setmetatable({}, meta), setmetatable({}, meta)
local f = coroutine.wrap(function()
  return {a + b, a .. b .. "x", a == b, a < b, a <= b, a.x, -a, #a, a(), a & b, a << b, a // b}
end)
local count = 0
while type(f(("v"):rep(1000) .. count)) == "string" do count = count + 1 end
if count ~= 13 then return "ESCAPED: " .. count .. " yields" end
return "yielded everywhere"
