-- Leaves as much behind as it may have, close to the limit, so that a collection is due.
left = {}
while collectgarbage("count") < 15000 do left[#left + 1] = ("x"):rep(10000) .. #left end
return #left
