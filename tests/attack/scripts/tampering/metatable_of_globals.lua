-- Reading a global that is not there, or writing one, calls the script.
setmetatable(_G, {
  __index = function(_, k) return "PWNED " .. k end,
  __newindex = function() error("PWNED") end,
  __metatable = "PWNED",
})
