-- Output that looks like the frames between the sandbox and the server.
for kind = 0, 40 do
  local body = string.pack("<Bs4", kind, ("\1"):rep(40))
  local frame = string.pack("<s4", body)
  print(frame:rep(10))
  task.log(frame)
  task.progress(kind, 40, frame)
end
return string.pack("<s4", "\21" .. ("\1"):rep(64))
