-- The input is a pattern, a replacement and a text, between zero bytes.
local pattern, replacement, text = task.payload:match('^(%Z*)%z(%Z*)%z(.*)$')
if not pattern then return end
pcall(re.find, text, pattern)
pcall(re.match, text, pattern, -3)
pcall(re.gsub, text, pattern, replacement, 100)
pcall(re.split, text, pattern)
pcall(function() for a, b in re.gmatch(text, pattern) do end end)
pcall(base64.decode, text)
pcall(base64.decode_url, text)
assert(base64.decode(base64.encode(text)) == text)
local ok, start = pcall(re.find, text, re.escape(pattern))
assert(not ok or start == text:find(pattern, 1, true), start)
