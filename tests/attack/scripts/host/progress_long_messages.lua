-- Messages of a megabyte, not UTF-8, in each report.
local message = ("\xff"):rep(1 << 20)
while true do task.progress(1, 2, message) end
