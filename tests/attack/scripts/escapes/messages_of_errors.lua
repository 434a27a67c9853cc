-- Provokes each kind of error on objects and looks for addresses in the messages.
local t, f, c = {}, function() end, coroutine.create(print)
local cases = {
  function() return t + 1 end, function() return t .. f end, function() return t < t end,
  function() return f < c end, function() return #f end, function() return -t end, function() t() end,
  function() t.x.y = 1 end, function() return c.x end, function() return t & 1 end, function() t[nil] = 1 end,
  function() t[0 / 0] = 1 end, function() for _ = t, 1 do end end, function() for _ = 1, 2, f do end end,
  function() for _ in t do end end, function() next(t, c) end, function() ipairs() end, function() error(t) end,
  function() string.rep(t) end, function() table.concat({t}) end, function() table.sort({t, f, c}) end,
  function() setmetatable(c, t) end, function() math.floor(t) end, function() utf8.char(t) end,
  function() coroutine.resume(t) end, function() coroutine.wrap(t) end, function() load(t) end,
  function() select(t) end, function() tonumber(t, 10) end, function() string.pack("i", t) end,
  function() json.encode({t, f}) end, function() json.decode(t) end, function() task.sleep(t) end,
  function() task.progress(f) end, function() task.log("loud", t) end, function() os.date(t) end,
  function() os.time({year = t}) end, function() string.format("%d", f) end, function() string.format("%q", t) end,
  function() table.insert(f, 1) end, function() table.unpack(c) end, function() rawset(f, 1, 1) end,
  function() local x <close> = t return x end, function() collectgarbage(t) end, function() print(nil .. t) end,
  function() coroutine.wrap(function() error(t) end)() end, function() assert(false, t) end,
  function() re.find(t, "x") end, function() re.find("x", f) end, function() re.gsub("x", "x", c) end,
  function() re.gsub("x", "x", function() return t end) end, function() re.gsub("x", "x", {x = f}) end,
  function() re.split("x", "x", c) end, function() re.gmatch(json.null, "") end, function() base64.encode(t) end,
  function() hash.sha256("x", f) end, function() hash.hmac_sha256(t, c) end, function() log.info() end,
  function() xpcall(f, t) end, function() getmetatable("").__index.rep(c) end, function() ("x"):bad(t) end,
  function() load("x = ", tostring(t))() end, function() load("x = }", "=" .. tostring(f))() end,
}
for i, case in ipairs(cases) do
  local _, message = pcall(case)
  if tostring(message):find("%x%x%x%x%x%x%x") then return "ESCAPED: case " .. i .. ": " .. tostring(message) end
end
return "no address"
