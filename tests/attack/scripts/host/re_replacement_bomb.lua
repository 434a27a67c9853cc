-- Each character becomes a megabyte, and the empty expression matches everywhere.
if not re or not re.gsub then return "no re" end
local big = ("b"):rep(1 << 20)
pcall(re.gsub, ("a"):rep(1000), "a", big)
pcall(re.gsub, ("a"):rep(1000), "", big)
if re.split then pcall(re.split, ("a"):rep(8 << 20), "") end
return "refused"
