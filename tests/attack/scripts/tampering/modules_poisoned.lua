-- Changes the modules, and leaves values in what they keep.
local match = re.match
for _, module in ipairs({re, base64, hash, log, shared or false}) do
  if module then
    for k in next, module do pcall(function() module[k] = function() return "PWNED" end end) end
  end
end
for i = 1, 100 do pcall(match, "x", ("(a|b)*"):rep(i)) end
