-- Changes the modules that may be there, and leaves values in what they keep.
for _, module in ipairs({re or false, base64 or false, hash or false, log or false, shared or false}) do
  if module then
    for k in next, module do pcall(function() module[k] = function() return "PWNED" end end) end
  end
end
if re then pcall(re.match, "x", ("(a|b)*"):rep(100)) end
