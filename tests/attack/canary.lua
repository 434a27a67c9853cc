-- Runs behind each attack and looks for what it may have left behind. Returns "sings" and a random number, or
-- what is wrong.
local first_random = math.random(0)
local problems = {}

local function check(what, ok)
  if not ok then problems[#problems + 1] = what end
end

local function same(what, got, want)
  check(("%s is %s, not %s"):format(what, tostring(got), tostring(want)), got == want)
end

local function words(text)
  local set = {}
  for word in text:gmatch("%S+") do set[word] = true end
  return set
end

-- Exactly the keys that `required` lists, and maybe those of `optional`.
local function keys(what, t, required, optional)
  required, optional = words(required), words(optional or "")
  for key in next, t do
    check(what .. " has gained " .. tostring(key), required[key] or optional[key])
  end
  for key in next, required do check(what .. " has lost " .. key, rawget(t, key) ~= nil) end
end

keys("_G", _G, [[_G _VERSION assert base64 collectgarbage coroutine email error getmetatable hash ipairs json load
  log math next os pairs pcall print rawequal rawget rawlen rawset re select setmetatable shared string table task
  tonumber tostring type utf8 xpcall]])
keys("base64", base64, "decode decode_url encode encode_url")
keys("coroutine", coroutine, "close create isyieldable resume running status wrap yield")
keys("hash", hash, "hmac_sha256 sha256")
keys("json", json, "array decode encode null", "object")
keys("log", log, "debug error info warning")
keys("math", math, [[abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min mininteger modf pi
  rad random randomseed sin sqrt tan tointeger type ult]], "atan2 cosh frexp ldexp log10 pow sinh tanh")
keys("os", os, "clock date difftime time")
keys("re", re, "escape find gmatch gsub match split")
keys("string", string, "byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack upper")
keys("table", table, "concat insert move pack remove sort unpack")
keys("shared", shared, "add get incr set")
keys("email", email, "send")
keys("task", task, "attempt deadline fail log name payload progress sleep submit")
keys("utf8", utf8, "char charpattern codepoint codes len offset")

same("_G._G", _G._G, _G)
same("_VERSION", _VERSION, "Lua 5.4")
for _, library in ipairs({base64, coroutine, hash, log, math, os, re, string, table, utf8, _G}) do
  check("a library has a metatable", getmetatable(library) == nil or getmetatable(library) == false)
end
for name, value in next, string do check("string." .. name, type(value) == "function") end
for name, value in next, log do check("log." .. name, type(value) == "function") end
for name, value in next, table do check("table." .. name, type(value) == "function") end
for name, value in next, coroutine do check("coroutine." .. name, type(value) == "function") end
for _, value in ipairs({1, true, print, coroutine.create(print), json.null}) do
  check("a " .. type(value) .. " has a metatable", getmetatable(value) == nil)
end
check("nil has a metatable", getmetatable(nil) == nil)
local of_strings = getmetatable("")
if type(of_strings) == "table" then
  keys("the metatable of strings", of_strings, "__index",
    "__add __div __idiv __metatable __mod __mul __name __pow __sub __unm")
  same("its __index", of_strings.__index, string)
  same("its __name", of_strings.__name, nil)
end
local of_arrays = getmetatable(json.array())
if type(of_arrays) == "table" then keys("the metatable of arrays", of_arrays, "", "__metatable __name") end
for _, hidden in ipairs({of_strings or false, of_arrays or false}) do
  check("a metatable is hidden by " .. tostring(hidden), type(hidden) == "table" or hidden == false)
end

-- The task's own input.
same("task.payload", task.payload, "canary's payload")
same("task.attempt", task.attempt, 1)
check("task.name is " .. tostring(task.name), task.name:find("^queues/default/tasks/[%w-]+$"))

-- The libraries do what they are for.
same("arithmetic on strings", "10" + "5" * "2", 20)
same("format", ("%d %5.1f %q %s"):format(7, 2.5, "a\n", {}), '7   2.5 "a\\\n" table')
same("gsub", ("hello world"):gsub("o", "0"), "hell0 w0rld")
same("find", select(2, ("a.b"):find(".", 2, true)), 2)
same("method on a string", ("x"):rep(3, ","), "x,x,x")
same("upper", ("abc"):upper():lower():reverse():sub(1, 2), "cb")
same("pack", string.unpack("<i4", string.pack("<i4", -2)), -2)
same("concat", table.concat({1, 2, 3}, "-"), "1-2-3")
same("unpack", select("#", table.unpack({1, nil, 3}, 1, 3)), 3)
local sorted = {3, 1, 2}
table.sort(sorted, function(a, b) return a > b end)
same("sort", table.concat(sorted), "321")
table.insert(sorted, 2, 9)
same("insert and remove", table.remove(sorted, 1) .. table.concat(sorted), "3921")
same("move", #table.move({1, 2, 3}, 1, 3, 2), 4)
same("utf8", utf8.len("äöü") + utf8.codepoint("ä"), 231)
same("math.floor", math.floor(-2.5), -3)
same("math.type", math.type(2^53), "float")
same("math.maxinteger", math.maxinteger + 1, math.mininteger)
same("math.pi", math.pi, 3.141592653589793)
same("math.huge", math.huge, 1 / 0)
same("os.date", os.date("!%Y-%m-%d", 86400), "1970-01-02")
same("os.date's zone", os.date("%H", 0), "00")
check("os.time is " .. os.time(), os.time() > 1700000000)
check("os.clock is " .. os.clock(), os.clock() >= 0 and os.clock() < 60)
same("json", json.encode({a = json.null}) .. json.encode(json.decode("[1,[],{}]")), '{"a":null}[1,[],{}]')
same("json.null", tostring(json.null), "null")
same("json.null is decoded", json.decode("null"), json.null)
same("tostring of a table", tostring({}), "table")
same("tostring of a function", tostring(print), "function")
same("type", type(next), "function")
same("tonumber", tonumber("ff", 16), 255)
same("select", select(-1, 1, 2), 2)
same("rawequal", rawequal("a", "a"), true)
same("load", load("return ...")(5), 5)
check("load of bytecode", not load("\27Lua"))
local ok, message = pcall(error, {code = 5})
check("pcall", not ok and message.code == 5)
check("xpcall", select(2, xpcall(error, function(m) return m .. "!" end, "x")) == "x!")
local wrapped = coroutine.wrap(function(a) return coroutine.yield(a + 1) end)
same("coroutine", wrapped(1) + wrapped(5), 7)
same("coroutine.running", select(2, coroutine.running()), true)
same("coroutine.isyieldable", coroutine.isyieldable(), false)
check("a missing method", not pcall(function() return ("x"):nothing() end))
check("index of a number", not pcall(function() return (1).x end))
local closed
do local _ <close> = setmetatable({}, {__close = function() closed = true end}) end
same("<close>", closed, true)
task.sleep(0)

-- Garbage is collected: more than twice the memory limit, a kilobyte at a time.
check("memory in use: " .. collectgarbage("count"), collectgarbage("count") < 1024)
for i = 1, 20 * 1024 do local _ = ("x"):rep(1000) .. i end

-- Nobody knows what comes next.
for _, seed in ipairs({0, 1, 42, 1234}) do
  math.randomseed(seed)
  for _ = 1, 20 do check("random numbers are those of seed " .. seed, math.random(0) ~= first_random) end
end

same("re.match", re.match("ab12", "[0-9]+"), "12")
same("re.find", select(2, re.find("aaa", "a(b)?")), 1)
same("re.gsub", re.gsub("x1y22", "([0-9])+", "<\\1>"), "x<1>y<2>")
same("re.split", table.concat(re.split("a, b,c", ", *"), "|"), "a|b|c")
for key, value in re.gmatch("k=v", "(.)=(.)") do same("re.gmatch", key .. value, "kv") end
check("re takes a wrong pattern", not pcall(re.find, "", "("))
same("base64", base64.encode("errand?>") .. base64.decode("ZXJyYW5k"), "ZXJyYW5kPz4=errand")
same("base64 for URLs", base64.encode_url("errand?>") .. base64.decode_url("Pz4"), "ZXJyYW5kPz4?>")
same("hash", hash.sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
print("tweet")
if #problems > 0 then return table.concat(problems, "; ") end
return ("sings %x"):format(first_random)
