-- A result one byte larger than the output may be.
return ("ESCAPED"):rep(9363)
