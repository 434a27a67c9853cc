-- The input is a pattern, a replacement and a text, between zero bytes.
local pattern, replacement, text = task.payload:match('^(%Z*)%z(%Z*)%z(.*)$')
if not pattern then return end
for _, call in ipairs({string.find, string.match}) do pcall(call, text, pattern) pcall(call, text, pattern, -3) end
pcall(string.gsub, text, pattern, replacement, 100)
pcall(string.format, pattern, replacement, 1, 2.5, {}, text)
pcall(string.pack, pattern, 1, 2, text)
pcall(string.unpack, pattern, text)
pcall(function() for a, b in text:gmatch(pattern) do end end)
pcall(os.date, pattern, 1)
pcall(utf8.codepoint, text, 1, -1)
pcall(load, text)
