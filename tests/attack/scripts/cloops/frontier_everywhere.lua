-- %f at each position, with a set that has to be walked.
local set = "[" .. ("b"):rep(5e5) .. "]"
return (("a"):rep(5e5):find("%f" .. set .. "c"))
