-- Each character is looked for in a set of a million.
local set = "[^" .. ("z"):rep(1e6) .. "]"
return ("z"):rep(1e6):match("^" .. set .. "*$") or ("z"):rep(1e6):find(set)
