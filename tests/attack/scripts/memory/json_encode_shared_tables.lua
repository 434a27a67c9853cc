-- A table of tables of one table: small here, immense as JSON.
local t = {("x"):rep(100)}
for _ = 1, 60 do t = {t, t, t, t} end
return "ESCAPED: " .. #json.encode(t)
