-- Patterns that match recursively, a level a character.
pcall(string.find, ("x"):rep(300000), ("x?"):rep(300000))
pcall(string.find, ("a"):rep(300000), ("(a)"):rep(32))
pcall(string.match, ("a"):rep(300000), ("a-"):rep(300) .. "b")
pcall(string.find, ("()"):rep(1e5), ("%b()"):rep(1e4) .. "x")
return "refused"
