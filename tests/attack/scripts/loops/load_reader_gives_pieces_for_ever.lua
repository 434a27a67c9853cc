-- The reader of load always has one more comment to read.
load(function() return "-- and on\n" end)
