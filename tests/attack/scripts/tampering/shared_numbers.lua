-- Puts values of all kinds where other tasks look.
if not shared then return "no shared" end
for _, key in ipairs({"", "x", "task", "\0", ("k"):rep(5000), "queues/default", "../x"}) do
  for _, value in ipairs({"PWNED", 1 << 62, 0 / 0, {}, print}) do
    for _, name in ipairs({"set", "incr", "add", "get"}) do
      if shared[name] then pcall(shared[name], key, value) end
    end
  end
end
return "put"
