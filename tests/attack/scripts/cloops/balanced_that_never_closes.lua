-- %b scans to the end from every opening parenthesis.
return (("("):rep(2e6):find("%b()"))
