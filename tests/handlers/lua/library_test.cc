// What the sandbox keeps of Lua's libraries, and what not.

#include "tests/handlers/lua/lua_runner.h"

namespace errand::handlers {
namespace {

using testing::HasSubstr;
using testing::Not;

using LibraryTest = LuaTest;

TEST_F(LibraryTest, ForbiddenThingsAreAbsent) {
  for (const char* name :
       {"io", "require", "package", "debug", "dofile", "loadfile", "loadstring", "warn", "string.dump",
        "os.execute", "os.exit", "os.getenv", "os.remove", "os.rename", "os.tmpname", "os.setlocale"}) {
    EXPECT_EQ(Result(std::string("return ") + name + " == nil"), "true") << name;
  }
  EXPECT_EQ(Result("return ('x').dump == nil"), "true");
}

TEST_F(LibraryTest, GlobalsAreExactlyThese) {
  EXPECT_EQ(
      Result(R"(
      local names = {}
      for name in pairs(_G) do names[#names + 1] = name end
      table.sort(names)
      return table.concat(names, " "))"),
      "_G _VERSION assert base64 collectgarbage coroutine email error getmetatable hash ipairs json load log "
      "math next os pairs pcall print rawequal rawget rawlen rawset re select setmetatable shared string "
      "table task tonumber tostring type utf8 xpcall");
}

TEST_F(LibraryTest, FinalizersAreRefused) {
  EXPECT_THAT(Error("setmetatable({}, {__gc = function() end})"), HasSubstr("'__gc' is not available"));
  EXPECT_EQ(Result(R"(
      local mt = {}
      do local t = setmetatable({}, mt) mt.__gc = function() print("ran") end end
      for i = 1, 1e5 do local t = {i} end
      return getmetatable(setmetatable({}, {__index = {x = 1}})).__index.x)"),
            "1");
}

TEST_F(LibraryTest, MetatablesBehaveAsInTheManual) {
  EXPECT_THAT(Error("setmetatable(setmetatable({}, {__metatable = 1}), {})"),
              HasSubstr("cannot change a protected metatable"));
  EXPECT_THAT(Error("setmetatable({})"), HasSubstr("nil or table expected"));
  EXPECT_EQ(Result("local t = {} return setmetatable(t, nil) == t"), "true");
}

TEST_F(LibraryTest, AddressesDoNotLeak) {
  EXPECT_EQ(Result("return tostring({}) .. tostring(print) .. tostring(coroutine.create(print))"),
            "tablefunctionthread");
  EXPECT_EQ(Result("return string.format('%s %5.1f %q %%p %-3d|', {}, 2, 'x', 7)"),
            "table   2.0 \"x\" %p 7  |");
  EXPECT_THAT(Error("return string.format('%p', {})"), HasSubstr("'%p' is not available"));
  EXPECT_THAT(Error("return ('%10p'):format({})"), HasSubstr("'%p' is not available"));
  EXPECT_THAT(Error("error({})"), Not(HasSubstr("0x")));
  EXPECT_EQ(Result("return tostring(json.null) .. tostring(setmetatable({}, {__name = 'Mine'}))"),
            "nulltable");
}

TEST_F(LibraryTest, CollectGarbageOnlyCounts) {
  EXPECT_EQ(Result("return collectgarbage('count') > 1"), "true");
  for (const char* call : {"collectgarbage()", "collectgarbage('stop')", "collectgarbage('collect')"}) {
    EXPECT_THAT(Error(call), HasSubstr("only \"count\"")) << call;
  }
}

TEST_F(LibraryTest, LoadTakesTextOnly) {
  EXPECT_EQ(Result("return load('return ...')(7)"), "7");
  EXPECT_EQ(Result("return load('x = 1 return x', 'c', 'bt', {})()"), "1");
  // An environment of nil is not the same as none.
  EXPECT_EQ(Result("x = 1 return not pcall(load('return x', 'c', 't', nil))"), "true");
}

TEST_F(LibraryTest, TimeIsThereInUtc) {
  EXPECT_EQ(Result("return os.date('%Y-%m-%d %H:%M:%S %Z', 0)"), "1970-01-01 00:00:00 UTC");
  EXPECT_EQ(Result("return os.time({year = 2020, month = 1, day = 1, hour = 0})"), "1577836800");
  EXPECT_EQ(Result("return os.time() > 1.6e9 and os.clock() >= 0 and os.difftime(2, 1) == 1.0"), "true");
}

TEST_F(LibraryTest, LogLinesHaveTheLevelOfTheirFunction) {
  const auto run = Run(R"(
      log.debug('a')
      log.info(1, nil, true, {}, json.null)
      log.warning(setmetatable({}, {__tostring = function() return 'mine' end}), '')
      log.error('%s')
      task.log('warning', 'as before')
      log.info(nil))");
  EXPECT_TRUE(run->Wait().status.ok()) << run->Wait().status;
  EXPECT_EQ(run->events(),
            (std::vector<std::string>{"debug a", "info 1\tnil\ttrue\ttable\tnull", "warning mine\t",
                                      "error %s", "warning as before", "info nil"}));
  EXPECT_EQ(run->Wait().usage.output_bytes(), 2 + 22 + 6 + 3 + 10 + 4);
}

TEST_F(LibraryTest, LogLinesAreBoundedAsThoseOfTaskLog) {
  EXPECT_THAT(Error("log.info()"), HasSubstr("bad argument #1 to 'info' (value expected)"));
  const auto run = Run("log.error(('\xC3\xA4'):rep(1 << 19), 'behind') log.info('\xFF')");
  EXPECT_EQ(run->events().at(0).size(), 6u + (4 << 10));
  EXPECT_EQ(run->events().at(1), "info \xEF\xBF\xBD");
  const auto flood = Run("while true do log.debug('') end",
                         [](v1::Task& task) { task.mutable_limits()->set_output_bytes(1000); });
  EXPECT_EQ(Reason(flood->Wait().status), "OUTPUT_EXCEEDED");
  EXPECT_EQ(flood->events().size(), 1000u);
}

TEST_F(LibraryTest, CoroutinesBehaveAsInTheManual) {
  EXPECT_EQ(Result(R"(
      local log = {}
      local function note(...) log[#log + 1] = table.concat({...}, ",") end
      local co = coroutine.create(function(a, b)
        note("start", a, b, coroutine.status(coroutine.running()))
        note("got", coroutine.yield(1, 2))
        error("oops", 0)
      end)
      note(coroutine.status(co))
      note(select(2, coroutine.resume(co, "x", "y")))
      note(coroutine.status(co))
      note(select(2, coroutine.resume(co, "z")))
      note(coroutine.status(co), select(2, coroutine.resume(co)))
      local main, is_main = coroutine.running()
      note(tostring(is_main), tostring(coroutine.isyieldable()))
      note(tostring(select(2, pcall(coroutine.yield))))
      local gen = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
      note(gen(), gen(), gen())
      note(tostring(select(2, pcall(coroutine.wrap(function() error("in wrap") end)))))
      note(tostring(coroutine.close(coroutine.create(print))))
      note(tostring(select(2, pcall(coroutine.close, main))))
      return table.concat(log, "\n"))"),
            "suspended\n"
            "start,x,y,running\n"
            "1,2\n"
            "suspended\n"
            "got,z\n"
            "oops\n"
            "dead,cannot resume dead coroutine\n"
            "true,false\n"
            "attempt to yield from outside a coroutine\n"
            "1,2,3\n"
            "script:19: in wrap\n"
            "true\n"
            "cannot close a running coroutine");
}

TEST_F(LibraryTest, ClosingIsBounded) {
  // Lua 5.4.4 by itself overflows its C stack here.
  EXPECT_EQ(Result(R"(
      local co
      for i = 1, 500 do
        local inner = co
        co = coroutine.create(function()
          local x <close> = setmetatable({}, {__close = function() if inner then coroutine.close(inner) end end})
          coroutine.yield()
        end)
        coroutine.resume(co)
      end
      coroutine.close(co)
      return "alive")"),
            "alive");
}

TEST_F(LibraryTest, ACoroutineBeingClosedCannotYieldOrSleep) {
  EXPECT_EQ(Result(R"(
      local seen = {}
      local co = coroutine.create(function()
        local x <close> = setmetatable({}, {__close = function()
          seen[1] = select(2, pcall(coroutine.yield))
          seen[2] = select(2, pcall(task.sleep, 0))
          seen[3] = tostring(coroutine.isyieldable())
        end})
        coroutine.yield()
      end)
      coroutine.resume(co)
      coroutine.close(co)
      return table.concat(seen, "; "))"),
            "attempt to yield while a coroutine is closed; task.sleep cannot be used while a coroutine is "
            "closed; false");
}

TEST_F(LibraryTest, DeepRecursionIsAnErrorNotACrash) {
  const auto roomy = [](v1::Task& task) { task.mutable_limits()->set_memory_bytes(256 << 20); };
  EXPECT_THAT(std::string(Run("local function f() return 1 + f() end f()", roomy)->Wait().status.message()),
              HasSubstr("stack overflow"));
  for (const char* source :
       {"return (pcall(load, ('('):rep(100000)))", "return (pcall(string.rep, 'x', -1))",
        "local t = {} for i = 1, 300 do t = setmetatable({}, {__index = t}) end return t.x == nil",
        "local function f() return coroutine.wrap(f)() end return not pcall(f)",
        "return not pcall(string.gsub, ('x'):rep(300000), ('(x?)'):rep(40), '')"}) {
    EXPECT_EQ(Result(source), "true") << source;
  }
}

}  // namespace
}  // namespace errand::handlers
