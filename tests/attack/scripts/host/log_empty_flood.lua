-- Empty log lines.
while true do task.log("") end
