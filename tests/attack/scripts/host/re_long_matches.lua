-- Matches that take as long as one may: the automaton has too many states to be kept.
while true do
  for length = 10, 20 do
    for _, size in ipairs({50, 400, 900}) do
      pcall(re.find, ("ab"):rep(1 << length), "[ab]*a[ab]{" .. size .. "}c")
    end
  end
end
