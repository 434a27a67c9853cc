-- The text almost contains the needle at every position.
local hay, needle = ("a"):rep(4e6), ("a"):rep(2e6) .. "b"
return hay:find(needle, 1, true)
