-- Lua 5.4.4 generates wrong code when _ENV is a constant.
for _, text in ipairs({
  "local _ENV <const> = 11; x = 'abc'", "local _ENV <const> = {}; X = 1; return X",
  "local _ENV <const> = nil; return y", "local function f() local _ENV <const> = 'x'; return z.w end f()",
}) do
  local f = load(text)
  if f then pcall(f) end
end
return "no matter"
