-- Moves 2^62 elements that are nil.
return table.move({}, 1, 1 << 62, 2)
