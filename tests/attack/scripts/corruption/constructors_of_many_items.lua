-- Table constructors and calls with more items than fit into one instruction.
for _, n in ipairs({49, 50, 51, 255, 256, 257, 70000}) do
  local items = {}
  for i = 1, n do items[i] = tostring(i) end
  local list = table.concat(items, ",")
  local t = load("return {" .. list .. ", ...}")("a", "b")
  if #t ~= n + 2 or t[n] ~= n or t[n + 2] ~= "b" then return "ESCAPED: a table of " .. n end
  if n < 250 and select("#", load("return " .. list)()) ~= n then return "ESCAPED: " .. n .. " results" end
end
load("return f(" .. ("1,"):rep(300) .. "1)")
load("if x then " .. ("a = 1 "):rep(70000) .. "end")
return "as many as there should be"
