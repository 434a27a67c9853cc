-- A float loop whose step is too small to change its variable.
for x = 1e308, 1.1e308, 1 do local _ = x end
return "went past"
