-- Every global function is replaced by one that lies.
for name, value in next, _G do
  if type(value) == "function" then _G[name] = function() return "PWNED" end end
end
