-- Lazy quantifiers in a row, and no match.
return (("a"):rep(5000):gsub(("a-"):rep(18) .. "b", ""))
