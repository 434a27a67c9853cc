-- Sleeps for no time, so that the script is seldom seen running.
while true do task.sleep(0) end
