-- A back reference is compared with all that follows, for each length of the capture.
return ("a"):rep(1e5):find("^(.*)(.*)%1%2b")
