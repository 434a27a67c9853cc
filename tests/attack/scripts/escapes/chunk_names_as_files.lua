-- A chunk that is named after a file: its messages might quote the file.
local f = load("local x = nil; return x.y", "@/etc/passwd")
local _, message = pcall(f)
if message:find("root:") then return "ESCAPED: " .. message end
local g = load("error('at')", "@/proc/self/environ")
_, message = pcall(g)
if message:find("=") then return "ESCAPED: " .. message end
return message
