// What ends a script that does not end by itself, and that nothing of it is left.

#include <signal.h>

#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/handlers/lua/lua_runner.h"

namespace errand::handlers {
namespace {

void LimitCpu(v1::Task& task) { task.mutable_limits()->mutable_cpu_time()->set_nanos(20'000'000); }

struct Runaway {
  const char* name;
  const char* source;
};
// Without it ctest's name of each would have addresses in it, other ones in every build.
std::ostream& operator<<(std::ostream& out, const Runaway& runaway) { return out << runaway.name; }

// Each runs for ever, somewhere else.
constexpr Runaway kRunaways[] = {
    {"Loop", "while true do end"},
    {"Pcall", "while true do pcall(function() while true do end end) end"},
    {"Xpcall", "xpcall(function() error('x') end, function() while true do end end)"},
    {"Coroutine", "coroutine.wrap(function() while true do end end)()"},
    {"Coroutines", "local function f() coroutine.wrap(f)() end while true do pcall(f) end"},
    {"Metamethod", "local t = setmetatable({}, {__index = function() while true do end end}) return t.x"},
    {"Close", "local x <close> = setmetatable({}, {__close = function() while true do end end})"},
    {"ToString", "error(setmetatable({}, {__tostring = function() while true do end end}))"},
    {"Comparator", "table.sort({3, 2, 1}, function() while true do end end)"},
    {"Callback", "('x'):gsub('x', function() while true do end end)"},
    {"Reader", "load(function() return ' ' end)"},
    {"Find", "local s = ('a'):rep(5000) while true do s:find(('.-'):rep(30) .. 'b') end"},
    {"Gsub", "while true do (('a'):rep(1000)):gsub(('a-'):rep(20) .. 'b', '') end"},
    {"Rep", "while true do ('x'):rep(1 << 20) end"},
    {"EmptyRep", "return #(''):rep(math.maxinteger)"},
    {"Move",
     "local t = setmetatable({}, {__index = function() return 1 end, __newindex = function() end}) "
     "table.move(t, 1, math.maxinteger - 1, 2)"},
    {"Concat", "table.concat(setmetatable({}, {__index = rawlen}), '', 1, 1 << 61)"},
    {"ToNumber", "local s = ('z'):rep(1 << 20) while true do tonumber(s, 36) end"},
    {"Json", "local t = {} for i = 1, 10000 do t[i] = {i} end while true do json.decode(json.encode(t)) end"},
    {"ReFind", "while true do re.find(('ab'):rep(5000), '[ab]*a[ab]{200}c') end"},
    {"ReCompile", "local i = 0 while true do i = i + 1 re.find('', i .. '(a|b|c){100}') end"},
    {"ReGsub", "while true do re.gsub(('a'):rep(100000), 'a', 'b') end"},
    {"ReGsubQuadratic", "return re.gsub(('a'):rep(1 << 20), 'a(.*b)?', 'x')"},
    {"ReGsubCallback", "re.gsub('x', 'x', function() while true do end end)"},
    {"ReGmatch", "while true do for _ in re.gmatch(('a'):rep(1000), '') do end end"},
    {"ReSplit", "while true do re.split(('a,'):rep(10000), ',') end"},
    {"Base64", "local s = ('x'):rep(1 << 20) while true do base64.decode(base64.encode(s)) end"},
    {"Hash", "local s = ('x'):rep(1 << 24) while true do hash.hmac_sha256(s, s) end"},
    {"Date", "while true do os.date('%c', os.time()) end"},
    {"Collect",
     "local t = {} for i = 1, 1e5 do t[i] = {} end while true do collectgarbage('count') t[1] = {} end"},
};

class RunawayTest : public LuaTest, public testing::WithParamInterface<Runaway> {};

TEST_P(RunawayTest, EndsAtItsCpuTime) {
  const auto run = Run(GetParam().source, LimitCpu);
  EXPECT_EQ(Reason(run->Wait().status), "CPU_TIME_EXCEEDED") << run->Wait().status;
  EXPECT_GE(run->Wait().usage.cpu_time().nanos(), 20'000'000);
  EXPECT_EQ(Result("return #string.rep('x', 10) + #json.encode({1, 2})"), "15");
}

TEST_P(RunawayTest, EndsAtItsDeadline) {
  const auto run = Run(GetParam().source, [](v1::Task& task) {
    task.mutable_run_timeout()->set_seconds(0);
    task.mutable_run_timeout()->set_nanos(20'000'000);
  });
  EXPECT_EQ(Reason(run->Wait().status), "RUN_TIMEOUT_EXCEEDED") << run->Wait().status;
  EXPECT_EQ(Result("return #string.rep('x', 10) + #json.encode({1, 2})"), "15");
}

TEST_P(RunawayTest, EndsWhenItIsStopped) {
  const auto run = Start(absl::StrCat("task.progress(1); ", GetParam().source), {}, 42);
  run->WaitForEvents(1);
  handler().Stop(42);
  EXPECT_EQ(Reason(run->Wait().status), "CANCELLED") << run->Wait().status;
  EXPECT_EQ(Result("return #string.rep('x', 10) + #json.encode({1, 2})"), "15");
}

INSTANTIATE_TEST_SUITE_P(Lua, RunawayTest, testing::ValuesIn(kRunaways),
                         [](const auto& info) { return std::string(info.param.name); });

using LimitsTest = LuaTest;

TEST_F(LimitsTest, OneThatIsStoppedLeavesItsProcessToTheNext) {
  UseHandler(1, 0);
  EXPECT_EQ(Result("return 1"), "1");
  const std::vector<int> pids = SandboxPids();
  for (AttemptId id = 1; id <= 20; ++id) {
    const auto run = Start("leftover = 'x' string.rep = nil task.progress(1) while true do end", {}, id);
    run->WaitForEvents(1);
    handler().Stop(id);
    EXPECT_EQ(Reason(run->Wait().status), "CANCELLED");
    EXPECT_EQ(Result("return {leftover == nil, ('ab'):rep(2)}"), R"([true,"abab"])");
  }
  EXPECT_EQ(SandboxPids(), pids);
}

TEST_F(LimitsTest, MemoryThatIsExceededLeavesTheProcessToTheNext) {
  UseHandler(1, 0);
  EXPECT_EQ(Result("return 1"), "1");
  const std::vector<int> pids = SandboxPids();
  for (int i = 0; i < 20; ++i) {
    const auto run =
        Run("local t = {} while true do pcall(function() while true do t[#t + 1] = ('x'):rep(1000) .. #t end "
            "end) end",
            [](v1::Task& task) { task.mutable_limits()->set_memory_bytes(4 << 20); });
    EXPECT_EQ(Reason(run->Wait().status), "MEMORY_EXCEEDED");
    EXPECT_LE(run->Wait().usage.peak_memory_bytes(), 4 << 20);
    EXPECT_EQ(Result("return 1"), "1");
  }
  EXPECT_EQ(SandboxPids(), pids);
}

TEST_F(LimitsTest, MemoryInSmallPiecesServesLargeOnes) {
  EXPECT_EQ(Result(R"(
      for round = 1, 20 do
        local t = {}
        for i = 1, 20000 do t[i] = {i} end
        t = nil
        local s = ('x'):rep(1 << 20)
      end
      return 'fits')",
                   [](v1::Task& task) { task.mutable_limits()->set_memory_bytes(6 << 20); }),
            "fits");
}

TEST_F(LimitsTest, AProcessThatDoesNotHearIsKilledAfterItsGrace) {
  UseHandler(1, 0);
  const auto run = Start("task.progress(1) while true do end", {}, 42);
  run->WaitForEvents(1);
  for (const pid_t pid : SandboxPids()) kill(pid, SIGSTOP);
  handler().Stop(42);
  EXPECT_EQ(Reason(run->Wait().status), "CANCELLED");
  EXPECT_EQ(Result("return 1"), "1");
}

TEST_F(LimitsTest, AShortScriptGetsItsTurnBesideOnesThatDoNotEnd) {
  UseHandler(1, 0);
  std::vector<std::shared_ptr<Recording>> hogs;
  for (AttemptId id = 1; id <= 3; ++id) {
    hogs.push_back(Start("task.progress(1) local x = 0 while true do x = x + 1 end", {}, id));
  }
  // All three take turns, too.
  for (const auto& hog : hogs) hog->WaitForEvents(1);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Result("return 1"), "1");
  for (AttemptId id = 1; id <= 3; ++id) handler().Stop(id);
  for (const auto& hog : hogs) EXPECT_EQ(Reason(hog->Wait().status), "CANCELLED");
  EXPECT_EQ(SandboxPids().size(), 1u);
}

TEST_F(LimitsTest, OneThatCannotGiveWayKeepsNobodyWaiting) {
  UseHandler(1, 0);
  // A comparator is called by C code, out of which nothing can be parked.
  const auto hog = Start(R"(
      local t = {}
      for i = 1, 100 do t[i] = -i end
      task.progress(1)
      local finish = os.clock() + 0.5
      table.sort(t, function(a, b) while os.clock() < finish do end return a < b end)
      return t[1])");
  hog->WaitForEvents(1);
  EXPECT_EQ(Result("return 1"), "1");
  EXPECT_FALSE(hog->over());
  EXPECT_EQ(hog->Wait().result.data(), "-100");
  EXPECT_EQ(Result("return 2"), "2");
}

TEST_F(LimitsTest, OneThatGivesWayKeepsWhatItHas) {
  UseHandler(1, 0);
  // Long enough for many turns; each checks what it left.
  constexpr char kSum[] = R"(
      local sum, t = 0, {}
      local co = coroutine.wrap(function() while true do for i = 1, 1000 do sum = sum + i end coroutine.yield(sum) end end)
      for i = 1, 3000 do t[i % 100 + 1] = co() end
      return sum)";
  std::vector<std::shared_ptr<Recording>> runs;
  for (int i = 0; i < 4; ++i) runs.push_back(Start(kSum));
  for (const auto& run : runs) EXPECT_EQ(run->Wait().result.data(), absl::StrCat(3000 * 500500ll));
}

TEST_F(LimitsTest, AProcessThatDiesIsTheFaultOfTheOneItRanAndTheRestOfItsBatchRunsElsewhere) {
  UseHandler(1, 0);
  // Makes turns short, so that batches are long.
  for (int i = 0; i < 200; ++i) Result("return 1");
  std::vector<std::shared_ptr<Recording>> good;
  for (int i = 0; i < 30; ++i) good.push_back(Start(absl::StrCat("return ", i)));
  // One call that cannot be left: the process ends itself. At first it may share its process with others of
  // the batch, and runs again, alone.
  const auto bad = Start("return re.find(('x'):rep(1 << 18), ('(.*)'):rep(20) .. 'x$')", LimitCpu);
  for (int i = 0; i < 30; ++i) good.push_back(Start(absl::StrCat("return ", 30 + i)));
  EXPECT_EQ(Reason(bad->Wait().status), "CPU_TIME_EXCEEDED") << bad->Wait().status;
  for (int i = 0; i < 60; ++i) EXPECT_EQ(good[i]->Wait().result.data(), absl::StrCat(i));
}

TEST_F(LimitsTest, ADeadlineIsKeptWhereASpareTakesOver) {
  UseHandler(1, 1);
  // A comparator is called by C code, out of which nothing can be parked.
  const std::string hog = "task.progress(1) table.sort({1, 2, 3}, function() while true do end end)";
  for (const AttemptId id : {41, 42}) {
    const auto stuck = Start(hog, {}, id);
    stuck->WaitForEvents(1);
    // At first the spare is started for it, and then there is one.
    const auto behind = Run("while true do end", [](v1::Task& task) {
      task.mutable_run_timeout()->set_seconds(0);
      task.mutable_run_timeout()->set_nanos(200'000'000);
    });
    EXPECT_EQ(Reason(behind->Wait().status), "RUN_TIMEOUT_EXCEEDED");
    EXPECT_LT(behind->Wait().usage.wall_time().seconds(), 5);
    handler().Stop(id);
    EXPECT_EQ(Reason(stuck->Wait().status), "CANCELLED");
  }
}

TEST_F(LimitsTest, ProgressBetweenShortSleepsIsNoBreachOfTheProtocol) {
  const auto run = Run("for i = 1, 15000 do task.progress(i) task.sleep(0) end");
  EXPECT_TRUE(run->Wait().status.ok()) << run->Wait().status;
  EXPECT_EQ(run->events().back(), "15000/0 ");
}

TEST_F(LimitsTest, ProgressIsNotSentMoreOftenThanAWatcherCouldRead) {
  const auto run = Run("for i = 1, 100000 do task.progress(i) end");
  EXPECT_TRUE(run->Wait().status.ok()) << run->Wait().status;
  EXPECT_LT(run->events().size(), 1000u);
  EXPECT_EQ(run->events().back(), "100000/0 ");
}

// RE2 cannot be left in the middle: the process ends itself.
TEST_F(LimitsTest, OneLongCallEndsSoonAfterItsCpuTime) {
  const auto run = Run("return re.find(('x'):rep(8 << 20), '(.*)(.*)(.*)(.*)(.*)x$')", [](v1::Task& task) {
    task.mutable_limits()->mutable_cpu_time()->set_nanos(100'000'000);
    task.mutable_limits()->set_memory_bytes(64 << 20);
  });
  EXPECT_EQ(Reason(run->Wait().status), "CPU_TIME_EXCEEDED") << run->Wait().status;
  EXPECT_LT(run->Wait().usage.cpu_time().seconds(), 1);
  EXPECT_EQ(Result("return 1"), "1");
}

// Each takes more than its limit in C++ code, which cannot be left in the middle.
TEST_F(LimitsTest, WhatCppCodeBuildsForAScriptCountsForItsMemory) {
  for (const char* const source : {
           "return json.encode(('x'):rep(30 << 20))",
           "local t = {} for i = 1, 40 do t[i] = ('x'):rep(1 << 20) end return #json.encode({t, t, t})",
           "local s = ('x'):rep(1 << 20) local t = {} for i = 1, 100 do t[i] = s end return t",
           "local s = '\"' .. ('x'):rep(20 << 20) .. '\"' return #json.decode(s)",
           "local t = {} for i = 1, 5000000 do t[i] = '1' end local s = '[' .. table.concat(t, ',') .. ']' "
           "return json.decode(s)",
           "local s = ('x'):rep(30 << 20) return #re.gsub(s, 'x', 'yy')",
           "local s = ('x'):rep(40 << 20) return #base64.encode(s)",
           "return task.submit{lua = {source = ('x'):rep(30 << 20)}}",
           "shared.set('key', {('x'):rep(30 << 20)})",
       }) {
    const auto run =
        Run(source, [](v1::Task& task) { task.mutable_limits()->set_output_bytes(task::kMaxOutputBytes); });
    EXPECT_EQ(Reason(run->Wait().status), "MEMORY_EXCEEDED") << source << ": " << run->Wait().status;
  }
  EXPECT_EQ(Result("return 1"), "1");
  EXPECT_EQ(SandboxPids().size(), 2u) << "no process was lost";
}

TEST_F(LimitsTest, EachLimitIsToldApartInACallbackOfAHostFunction) {
  const auto with = [this](const std::string& what, const std::function<void(v1::Task&)>& change) {
    return Reason(
        Run("os.time(setmetatable({}, {__index = function() " + what + " end}))", change)->Wait().status);
  };
  EXPECT_EQ(with("while true do end",
                 [](v1::Task& task) {
                   task.mutable_run_timeout()->set_nanos(100'000'000),
                       task.mutable_run_timeout()->set_seconds(0);
                 }),
            "RUN_TIMEOUT_EXCEEDED");
  EXPECT_EQ(with("while true do end",
                 [](v1::Task& task) { task.mutable_limits()->mutable_cpu_time()->set_nanos(50'000'000); }),
            "CPU_TIME_EXCEEDED");
  EXPECT_EQ(with("local t = {} for i = 1, 1e9 do t[i] = {} end", {}), "MEMORY_EXCEEDED");
  EXPECT_EQ(with("while true do print('x') end", {}), "OUTPUT_EXCEEDED");
  EXPECT_EQ(with("error('mine')", {}), "LUA_ERROR");
  EXPECT_EQ(SandboxPids().size(), 2u) << "no process was lost";
}

}  // namespace
}  // namespace errand::handlers
