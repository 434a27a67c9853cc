-- Empty lines: nothing but line feeds.
while true do print() end
