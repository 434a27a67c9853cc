-- More results than one, none, and huge ones.
return table.unpack({{}, print, 1}, 1, 200000)
