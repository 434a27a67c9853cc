-- Sleeps for a year.
pcall(task.sleep, 365 * 24 * 3600)
return "ESCAPED: slept for a year"
