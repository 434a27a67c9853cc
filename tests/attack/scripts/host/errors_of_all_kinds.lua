-- Values thrown as errors, from coroutines, with positions.
for _, value in ipairs({1, 1.5, true, {}, print, json.null, json.array(), "x"}) do
  for level = 0, 3 do
    pcall(error, value, level)
    pcall(coroutine.wrap(function() error(value, level) end))
  end
end
error({a = {b = {c = ("\xff"):rep(100)}}})
