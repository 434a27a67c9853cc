-- Each character becomes a megabyte.
local big = ("b"):rep(1 << 20)
pcall(re.gsub, ("a"):rep(1000), "a", big)
return "refused"
