-- All strings share a metatable; so would numbers, functions and nil, if one could be set.
for _, value in ipairs({1, true, print, coroutine.create(print), "text", json.null}) do
  if pcall(setmetatable, value, {__index = function() return 1 end}) then
    return "ESCAPED: the metatable of " .. type(value)
  end
end
if pcall(setmetatable, nil, {}) then return "ESCAPED: the metatable of nil" end
return "refused"
