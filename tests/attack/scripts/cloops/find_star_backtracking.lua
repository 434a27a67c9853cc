-- Greedy quantifiers in a row, and no match.
return ("x"):rep(3000):find((".*"):rep(20) .. "y")
