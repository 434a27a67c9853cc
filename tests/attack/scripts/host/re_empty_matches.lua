-- The empty expression matches everywhere, and makes a string of each character.
for _ in re.gmatch(("a"):rep(100), "") do end
pcall(re.gsub, ("a"):rep(1000), "", "b")
re.split(("a"):rep(8 << 20), "")
return "refused"
