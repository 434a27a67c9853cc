-- Expressions on which backtracking engines hang, and those that take much memory to compile.
local text = ("a"):rep(30000) .. "!"
while true do
  for _, pattern in ipairs({"(a+)+$", "(a|aa)+$", "(.*)*x", "((a*)*)*$", "(a?){500}a{500}", ("(a?)"):rep(1000), "(x+x+)+y",
                            "((((a{100}){100}){100}){100})", "[\\p{L}]{1000}", ("(?:"):rep(5000) .. (")"):rep(5000),
                            "(", ")", "[", "a**", "(?P<x>a)(?P<x>b)", "\\1", "(?=a)", "\xff", "", "\0", "(?i)\\x{10FFFF}"}) do
    for _, f in pairs(re) do pcall(f, text, pattern, "\\1\\2\\0") end
  end
end
