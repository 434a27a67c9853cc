-- Ends the process as if all were well.
pcall(function() os.exit(true, true) end)
pcall(function() os.exit(0) end)
return os.exit and "ESCAPED: os.exit" or "not there"
