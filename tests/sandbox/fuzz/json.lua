-- What can be read can be written, and reads the same.
local ok, value = pcall(json.decode, task.payload)
if not ok then return end
local text = json.encode(value)
assert(json.encode(json.decode(text)) == text, text)
