-- Wraps functions of the host into coroutines and closes those.
for _, name in ipairs({"sleep", "log", "progress", "fail"}) do
  local thread = coroutine.create(task[name])
  coroutine.resume(thread, 0.001, "x")
  coroutine.close(thread)
  coroutine.close(thread)
  pcall(coroutine.resume, thread, 1)
end
for _, f in ipairs({pcall, xpcall, print, load, coroutine.yield, coroutine.resume, coroutine.wrap, tostring}) do
  local thread = coroutine.create(f)
  coroutine.resume(thread, f, f)
  coroutine.resume(thread, f)
  pcall(coroutine.close, thread)
end
return "closed"
