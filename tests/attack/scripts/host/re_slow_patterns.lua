-- Patterns that take as long to compile as a pattern can, and are refused.
while true do
  pcall(re.find, "", ("\\pL"):rep(1300))
  pcall(re.find, "", "(?i)(?:" .. ("\\pL"):rep(1300) .. "){0}")
end
