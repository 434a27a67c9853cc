-- Parentheses, nested by the hundred thousand.
for _, open in ipairs({"(", "{", "-", "not ", "#", "~", "f(", "a[", "2^", "''.."}) do
  load("return " .. open:rep(200000))
end
return "refused"
