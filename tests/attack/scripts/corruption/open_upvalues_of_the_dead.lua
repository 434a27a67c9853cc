-- Closures outlive coroutines that died of errors, were closed or were forgotten, and use their locals.
local fs = {}
for i = 1, 300 do
  local thread = coroutine.create(function()
    local a, b = {i}, ("u"):rep(10) .. i
    fs[#fs + 1] = function() b = b .. "!" return a[1], b end
    if i % 3 == 0 then error("died") end
    coroutine.yield()
  end)
  coroutine.resume(thread)
  if i % 3 == 1 then coroutine.close(thread) end
end
for _ = 1, 20000 do local _ = {{}, {}} end
for i, f in ipairs(fs) do
  local a, b = f()
  if a ~= i or b ~= ("u"):rep(10) .. i .. "!" then return "ESCAPED: " .. tostring(a) .. " " .. tostring(b) end
end
return "they keep what they had"
