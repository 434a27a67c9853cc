// What a script can do and how it ends, in a sandbox of its own.

#include "tests/handlers/lua/lua_runner.h"

namespace errand::handlers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class ScriptTest : public LuaTest {
 protected:
  void ExpectReason(const std::string& source, const std::string& reason) {
    EXPECT_EQ(Reason(Run(source)->Wait().status), reason) << source;
  }
};

TEST_F(ScriptTest, ReadsItsPayloadAsBytes) {
  const std::string bytes("a\0\xFFz", 4);
  EXPECT_EQ(Result("return task.payload", [&](auto& task) { task.mutable_lua()->set_data(bytes); }), bytes);
  EXPECT_EQ(Result("return task.payload", [](auto& task) { task.mutable_lua()->set_text("text"); }), "text");
  EXPECT_EQ(Result("return #task.payload"), "0");
}

TEST_F(ScriptTest, LargestPayloadAndSourceArrive) {
  const auto fill = [](v1::Task& task) {
    task.mutable_lua()->set_data(std::string(task::kMaxPayloadBytes, 'x'));
    std::string source = "return #task.payload --";
    source.resize(task::kMaxSourceBytes, '-');
    task.mutable_lua()->set_source(source);
  };
  EXPECT_EQ(Result("", fill), "1048576");
}

TEST_F(ScriptTest, KnowsItsNameAndAttempt) {
  EXPECT_EQ(Result("return task.name .. ' ' .. task.attempt"), "queues/default/tasks/test 1");
}

TEST_F(ScriptTest, EventsComeInOrder) {
  const auto run = Run(R"(
    print("one", 2, nil, true)
    task.log("hello")
    task.log("error", "bad")
    task.progress(1, 4, "a quarter")
    print("three"))");
  EXPECT_THAT(run->events(), ElementsAre("out one\t2\tnil\ttrue\n", "info hello", "error bad",
                                         "1/4 a quarter", "out three\n"));
}

TEST_F(ScriptTest, EventsArriveWhileItStillComputes) {
  const auto run = Start("task.progress(1) while true do end", {}, 7);
  run->WaitForEvents(1);
  EXPECT_FALSE(run->over());
  handler().Stop(7);
  run->Wait();
}

TEST_F(ScriptTest, EventsArriveWhileLibrariesTakeNearlyAllItsTime) {
  const auto run = Start(R"(
      local t = {}
      for i = 1, 30000 do t[i] = {i} end
      task.progress(1)
      local finish = os.clock() + 0.5
      while os.clock() < finish do json.encode(t) end)");
  run->WaitForEvents(1);
  EXPECT_FALSE(run->over());
  EXPECT_TRUE(run->Wait().status.ok()) << run->Wait().status;
}

TEST_F(ScriptTest, TextOfEventsIsMadeUtf8AndCut) {
  const auto run = Run(R"(
    task.log("debug", "\xff|" .. ("é"):rep(5000))
    task.progress(1, 2, ("é"):rep(5000)))");
  ASSERT_EQ(run->events().size(), 2u);
  EXPECT_THAT(run->events()[0], StartsWith("debug \xEF\xBF\xBD|é"));
  EXPECT_EQ(run->events()[0].size(), std::string("debug ").size() + task::kMaxLogLineBytes);
  EXPECT_EQ(run->events()[1].size(), std::string("1/2 ").size() + task::kMaxProgressMessageBytes);
}

TEST_F(ScriptTest, ResultKeepsItsKind) {
  const auto type = [this](const std::string& source) { return Run(source)->Wait().result.content_type(); };
  EXPECT_EQ(type("return"), "");
  EXPECT_EQ(type("return nil"), "");
  EXPECT_EQ(type("return 'é'"), "text/plain; charset=utf-8");
  EXPECT_EQ(type("return '\\xff'"), "application/octet-stream");
  EXPECT_EQ(type("return 1"), "application/json");
  EXPECT_EQ(Result("return '\\xff\\0'"), std::string("\xFF\0", 2));
  EXPECT_EQ(Result("return 1.5"), "1.5");
  EXPECT_EQ(Result("return false"), "false");
  EXPECT_EQ(Result("return {1, {a = 'x'}}"), R"([1,{"a":"x"}])");
}

TEST_F(ScriptTest, ResultThatJsonCannotExpressIsRefused) {
  const auto run = Run("return {list = {1, print}}");
  EXPECT_EQ(Reason(run->Wait().status), "RESULT_INVALID");
  EXPECT_THAT(std::string(run->Wait().status.message()), HasSubstr(".list[2]: a function"));
  ExpectReason("return 0/0", "RESULT_INVALID");
  ExpectReason("local t = {} t.t = t return t", "RESULT_INVALID");
}

TEST_F(ScriptTest, ErrorHasATraceback) {
  const std::string error = Error("local x\nlocal function f() return x.y end\nreturn 1 + f()");
  EXPECT_THAT(error, StartsWith("script:2: attempt to index a nil value"));
  EXPECT_THAT(error, HasSubstr("stack traceback:\n\tscript:2: in local 'f'"));
}

TEST_F(ScriptTest, ErrorObjectsAreShown) {
  EXPECT_THAT(Error("error({code = 3})"), StartsWith(R"({"code":3})"));
  EXPECT_THAT(Error("error(setmetatable({}, {__tostring = function() return 'mine' end}))"),
              StartsWith("mine"));
  EXPECT_THAT(Error("error(setmetatable({}, {__tostring = function() error('worse') end}))"),
              HasSubstr("worse"));
  EXPECT_THAT(Error("error()"), StartsWith("nil"));
  EXPECT_THAT(Error("error(print)"), StartsWith("function"));
  EXPECT_THAT(Error("error(('x'):rep(1000000))"), StartsWith("script:1: xxx"));
}

TEST_F(ScriptTest, ErrorClosesWhatIsToBeClosed) {
  const auto run = Run(R"(
    local x <close> = setmetatable({}, {__close = function() print("closed") end})
    error("boom"))");
  EXPECT_THAT(run->events(), ElementsAre("out closed\n"));
}

TEST_F(ScriptTest, FailEndsItWithItsOwnMessage) {
  const auto run = Run("task.fail('no such order')");
  EXPECT_EQ(std::string(run->Wait().status.message()), "no such order");
  EXPECT_FALSE(run->Wait().permanent);
  EXPECT_TRUE(Run("task.fail('never', {permanent = true})")->Wait().permanent);
}

TEST_F(ScriptTest, SyntaxErrorIsPermanentAndNamesTheLine) {
  const auto run = Run("local a\nlocal = 2");
  EXPECT_EQ(Reason(run->Wait().status), "LUA_SYNTAX_ERROR");
  EXPECT_THAT(std::string(run->Wait().status.message()), StartsWith("script:2: "));
  EXPECT_TRUE(run->Wait().permanent);
}

TEST_F(ScriptTest, PrecompiledChunkIsRefused) {
  ExpectReason("\x1BLua", "LUA_SYNTAX_ERROR");
  EXPECT_EQ(Result("return load('\\27Lua') == nil and load('\\27Lua', 'x', 'b') == nil"), "true");
}

TEST_F(ScriptTest, EndlessLoopIsStoppedByRunTimeout) {
  for (const char* source :
       {"while true do end", "while true do pcall(function() while true do end end) end",
        "return ('a'):rep(4000):find(('a-'):rep(30) .. 'b')", "return ('').rep('', math.maxinteger)",
        "coroutine.wrap(function() while true do end end)()", "local function f() return f() end f()",
        "task.sleep(1000)"}) {
    const auto run = Run(source, [](auto& task) {
      task.mutable_run_timeout()->set_seconds(0);
      task.mutable_run_timeout()->set_nanos(50'000'000);
    });
    EXPECT_EQ(Reason(run->Wait().status), "RUN_TIMEOUT_EXCEEDED") << source;
    EXPECT_GE(run->Wait().usage.wall_time().nanos(), 50'000'000);
  }
  EXPECT_EQ(Result("return 1"), "1");
}

TEST_F(ScriptTest, MemoryBombIsStoppedEvenInsidePcall) {
  for (const char* source :
       {"local s = 'x' while true do s = s .. s end",
        "k = {} while 1 do pcall(function() local s = 'x' while 1 do s = s .. s k[#k + 1] = s end end) end",
        "local t = {} for i = 1, 1e9 do t[i] = {} end", "return ('x'):rep(1 << 30)",
        "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
        "coroutine.wrap(function() local t = {} while true do t[#t + 1] = {} end end)()"}) {
    ExpectReason(source, "MEMORY_EXCEEDED");
  }
  EXPECT_EQ(Result("return 1"), "1");
}

TEST_F(ScriptTest, GarbageDoesNotCountAgainstMemory) {
  const auto small = [](v1::Task& task) { task.mutable_limits()->set_memory_bytes(1 << 20); };
  EXPECT_EQ(Result("local n = 0 for i = 1, 300000 do local t = {i} n = n + #t end return n", small),
            "300000");
  EXPECT_EQ(Result("for i = 1, 100 do local s = ('0123456789'):rep(30000) end return 1", small), "1");
  EXPECT_EQ(Result(R"(
      local co = coroutine.wrap(function()
        while true do local s = ('0123456789'):rep(30000) coroutine.yield(#s) end
      end)
      for i = 1, 100 do co() end
      return 1)",
                   small),
            "1");
}

TEST_F(ScriptTest, OutputIsBounded) {
  ExpectReason("while true do print('x') end", "OUTPUT_EXCEEDED");
  ExpectReason("while true do pcall(task.log, '') end", "OUTPUT_EXCEEDED");
  ExpectReason("return ('x'):rep(2 << 20)", "OUTPUT_EXCEEDED");
  ExpectReason("local t = {} for i = 1, 200000 do t[i] = 1234567 end return t", "OUTPUT_EXCEEDED");
  const auto limit = [](v1::Task& task) { task.mutable_limits()->set_output_bytes(10); };
  const auto run = Run("print('1234') return '12345'", limit);
  EXPECT_TRUE(run->Wait().status.ok());
  EXPECT_EQ(run->Wait().usage.output_bytes(), 10);
  EXPECT_EQ(Reason(Run("print('1234') return '123456'", limit)->Wait().status), "OUTPUT_EXCEEDED");
}

TEST_F(ScriptTest, OutputBeforeTheLimitIsKept) {
  const auto run = Run("print('kept') print(('x'):rep(2 << 20))");
  EXPECT_THAT(run->events(), ElementsAre("out kept\n"));
}

TEST_F(ScriptTest, SleepReturnsAndShowsWhatCameBefore) {
  const auto run = Start("task.progress(1) task.sleep(0.02) task.progress(2) task.sleep(0) return 'awake'");
  EXPECT_EQ(run->Wait().result.data(), "awake");
  EXPECT_THAT(run->events(), ElementsAre("1/0 ", "2/0 "));
}

TEST_F(ScriptTest, SleepWorksInCoroutinesAndMetamethods) {
  EXPECT_EQ(Result(R"(
      local a = coroutine.wrap(function(x)
        task.sleep(0.001)
        local y = coroutine.yield(x + 1)
        task.sleep(0.001)
        return y + 1
      end)
      local b = coroutine.create(function() return a(1), a(10) end)
      local t = setmetatable({}, {__index = function(_, k) task.sleep(0.001) return k end})
      return {coroutine.resume(b), t.x, select(2, pcall(task.sleep, 0)) == nil, select(3, pcall(
          function() task.sleep(0.001) return 1, 2 end))})"),
            R"([true,"x",true,2])");
}

TEST_F(ScriptTest, SleepInACallbackOfCIsAnError) {
  EXPECT_THAT(Error("('x'):gsub('x', function() task.sleep(1) end)"), HasSubstr("task.sleep cannot be used"));
  EXPECT_THAT(Result(R"(
      local co = coroutine.create(function() return pcall(task.sleep, 1) end)
      local told
      ;('x'):gsub('x', function() told = {coroutine.resume(co)} end)
      return told[3])"),
              HasSubstr("task.sleep cannot be used"));
}

TEST_F(ScriptTest, UsageIsReported) {
  const auto run = Run("local t = {} for i = 1, 100000 do t[i] = i end print('12345') return 'abc'");
  const v1::Usage& usage = run->Wait().usage;
  EXPECT_GT(usage.cpu_time().nanos() + usage.cpu_time().seconds(), 0);
  EXPECT_GT(usage.wall_time().nanos() + usage.wall_time().seconds(), 0);
  EXPECT_GT(usage.peak_memory_bytes(), 1'000'000);
  EXPECT_EQ(usage.output_bytes(), 9);
}

TEST_F(ScriptTest, NothingIsLeftForTheNextOne) {
  EXPECT_THAT(
      Run("x = 1 string.rep = nil task.payload = 'mine' setmetatable(_G, {__index = print})")->events(),
      IsEmpty());
  EXPECT_EQ(Result("return x == nil and string.rep ~= nil and task.payload == '' and y == nil"), "true");
}

TEST_F(ScriptTest, ArgumentsAreChecked) {
  for (const char* call :
       {"task.progress('x')", "task.progress(0/0)", "task.progress(-1)", "task.progress()", "task.log()",
        "task.log('loud', 'x')", "task.sleep(-1)", "task.sleep(1/0)", "task.sleep('soon')", "task.fail()",
        "task.fail('x', 1)", "json.encode()", "json.decode(nil)", "json.array(1)"}) {
    EXPECT_THAT(Error(call), HasSubstr("bad argument #")) << call;
  }
}

}  // namespace
}  // namespace errand::handlers
