-- string.match and string.gmatch.
print(("2026-11-22"):match("(%d+)-(%d+)-(%d+)"))
print(("key=val"):match("(%w+)=(%w*)"))
print(("key="):match("(%w+)=(%w*)"))
print(("none"):match("(%d+)"))
print(("abc"):match("()b()"))
print(("abc"):match(".", 3), ("abc"):match(".", 4), ("abc"):match(".", -1))
print(("  x"):match("^%s+()"))
print(("[link](url)"):match("%[(.-)%]%((.-)%)"))
print(("a,b,,c"):match("([^,]*),([^,]*),([^,]*),([^,]*)"))
for w in ("one two  three"):gmatch("%a+") do print(w) end
for k, v in ("a=1, b=2, c=3"):gmatch("(%w+)=(%w+)") do print(k, v) end
for p in ("abc"):gmatch("()") do print(p) end
for s in ("a,b,,c,"):gmatch("([^,]*)") do print("<" .. s .. ">") end
for m in ("aaa"):gmatch("a-") do print("<" .. m .. ">") end
for m in ("hello"):gmatch("l", 4) do print(m) end
for m in ("xyz"):gmatch(".", -2) do print(m) end
for m in ("^a^a"):gmatch("^a") do print("anchor", m) end
for a, b in ("k1v1k2v2"):gmatch("(k%d)(v%d)") do print(a, b) end
for word in ("THE (quick) fox"):gmatch("%f[%w]%w+") do print(word) end
print(("äöü"):match("[\xc3][\xa4-\xbc]") == "ä")
print(pcall(string.match, "a", "("))
print(pcall(string.match, "a", ")"))
print(pcall(string.match, "a", "["))
print(pcall(string.match, "a", "[a"))
print(pcall(string.match, "a", "[]"))
print(pcall(string.match, "a", "%"))
print(pcall(string.match, "a", "%b"))
print(pcall(string.match, "a", "%f"))
print(pcall(string.match, "a", "%1"))
print(pcall(string.match, "a", "(a)%2"))
print(pcall(string.match, "a", ("(a)"):rep(33)))
print(pcall(string.match, ("a"):rep(500), ("a?"):rep(500) .. "b"))
print(pcall(string.gmatch, "a"))
