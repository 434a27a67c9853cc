-- The error's text is no UTF-8, and longer than what is kept of it: the cut is inside of a character.
error(("x"):rep(4093) .. ("\xf0\x9f\x98\x80"):rep(5000) .. "\xf0\x9f", 0)
