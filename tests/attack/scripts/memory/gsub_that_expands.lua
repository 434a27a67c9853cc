-- Each character becomes a megabyte.
local big = ("b"):rep(1 << 20)
return "ESCAPED: " .. #("a"):rep(1000):gsub("a", big)
