-- The same by the clock on the wall, sleeping in small steps.
local start = os.time()
while os.time() < start + 4 do task.sleep(0.01) end
print("ESCAPED: " .. os.time() - start .. " s")
return "ESCAPED"
