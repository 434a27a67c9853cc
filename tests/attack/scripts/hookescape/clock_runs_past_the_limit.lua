-- Looks at the clock: a script which still runs after three seconds has outlived its limit of a third of one.
while os.clock() < 3 do end
return "ESCAPED: " .. os.clock() .. " s"
