-- What can be read can be written, and reads the same but for the order of an object's members.
local ok, value = pcall(json.decode, task.payload)
if not ok then return end
local text = json.encode(value)
assert(#json.encode(json.decode(text)) == #text, text)
