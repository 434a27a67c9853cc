-- Prints more than the limit, a line at a time.
while true do print("line") end
