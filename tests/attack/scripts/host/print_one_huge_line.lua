-- One line beyond the limit, caught.
pcall(print, ("x"):rep(65537))
print("ESCAPED: more than output_bytes")
