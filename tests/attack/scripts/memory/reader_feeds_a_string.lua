-- A string constant that never ends, piece by piece.
local first = true
return load(function()
  if first then
    first = false
    return "return '"
  end
  return ("s"):rep(65536)
end)
