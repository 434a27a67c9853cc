-- Each function of the libraries is wrapped in one that adds to its results.
for _, name in ipairs({"string", "table", "math", "utf8", "coroutine", "os", "json", "task"}) do
  for k, f in next, _G[name] do
    if type(f) == "function" then
      pcall(rawset, _G[name], k, function(...) return f(...), "PWNED" end)
    end
  end
end
