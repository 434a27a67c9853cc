-- Walks all that can be reached from the globals and from values of each type.
local forbidden = {}
for name in ([[io debug package require dofile loadfile dump execute exit getenv remove_file rename tmpname
               setlocale popen open lines getregistry sethook getinfo loadlib searchpath]]):gmatch("%S+") do
  forbidden[name] = true
end
local seen, found = {}, {}
local function walk(value, path)
  if value == nil or seen[value] then return end
  seen[value] = true
  walk(getmetatable(value), path .. "'s metatable")
  if type(value) == "userdata" and value ~= json.null then found[#found + 1] = path .. " is userdata" end
  if type(value) ~= "table" then return end
  for k, v in next, value do
    if forbidden[k] and v ~= log.debug then found[#found + 1] = path .. "." .. k end
    walk(k, path .. "'s key")
    walk(v, path .. "." .. tostring(k))
  end
end
walk(_G, "_G")
for _, value in ipairs({"", 1, 1.5, true, print, function() end, coroutine.running(), json.array(), json.null}) do
  walk(value, type(value))
end
if #found > 0 then return "ESCAPED: " .. table.concat(found, ", ") end
return "nothing but what is known"
