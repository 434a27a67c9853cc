-- Messages that are no text, or too long, or not UTF-8.
for _, message in ipairs({{}, print, 0 / 0, json.null, ("\xff"):rep(1 << 20), "", "\0", true, false}) do
  local ok, failure = pcall(task.fail, message, {permanent = message})
  if ok then return "ESCAPED: it went on" end
  local _ = tostring(failure) .. ("%s"):format(failure)
end
pcall(task.fail)
pcall(task.fail, "x", "y")
task.fail(("\xe2\x82"):rep(1 << 20))
