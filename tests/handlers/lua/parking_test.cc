// Scripts that wait, and go on in whatever process is free.

#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/handlers/lua/lua_runner.h"

namespace errand::handlers {
namespace {

using testing::HasSubstr;

using ParkingTest = LuaTest;

TEST_F(ParkingTest, EverythingIsAsItWasAfterASleep) {
  EXPECT_EQ(Result(R"(
      local counter = 0
      local function count() counter = counter + 1 return counter end
      count()
      global = {deep = {er = 'value'}}
      local meta = setmetatable({}, {__index = function(_, key) return key .. '!' end})
      local iterator = ('a,b,c'):gmatch('%a')
      iterator()
      task.sleep(0.01)
      assert(count() == 2 and global.deep.er == 'value' and meta.x == 'x!' and iterator() == 'b')
      task.sleep(0.01)
      assert(count() == 3 and task.payload == 'input' and iterator() == 'c')
      return 'right')",
                   [](v1::Task& task) { task.mutable_lua()->set_text("input"); }),
            "right");
}

TEST_F(ParkingTest, SleepsWhereverLuaCanYield) {
  EXPECT_EQ(Result(R"(
      local log = {}
      local function sleep(label) task.sleep(0.001) log[#log + 1] = label end
      pcall(sleep, 'pcall')
      xpcall(sleep, print, 'xpcall')
      local co = coroutine.wrap(function()
        local inner = coroutine.wrap(function() sleep('inner') coroutine.yield(7) sleep('late') return 8 end)
        assert(inner() == 7)
        coroutine.yield('outer')
        assert(inner() == 8)
      end)
      assert(co() == 'outer')
      co()
      local meta = setmetatable({}, {__index = function() sleep('index') return 1 end,
                                     __add = function() sleep('add') return 2 end,
                                     __call = function() sleep('call') return 3 end})
      assert(meta.x == 1 and meta + 1 == 2 and meta() == 3)
      for _ in (function() sleep('for') end) do end
      do local _ <close> = setmetatable({}, {__close = function() sleep('close') end}) end
      local ok, message = pcall(function() sleep('raise') error('boom', 0) end)
      assert(not ok and message == 'boom')
      return table.concat(log, ' '))"),
            "pcall xpcall inner late index add call for close raise");
}

TEST_F(ParkingTest, ASleeperTakesNoWorker) {
  UseHandler(1, 0);
  const auto sleeper = Start("task.progress(1) task.sleep(1000)", {}, 42);
  sleeper->WaitForEvents(1);
  EXPECT_EQ(Result("return 1"), "1");
  EXPECT_FALSE(sleeper->over());
  EXPECT_EQ(handler().GetStatistics().parked, 1u);
  handler().Stop(42);
  EXPECT_EQ(Reason(sleeper->Wait().status), "CANCELLED");
  EXPECT_EQ(handler().GetStatistics().parked, 0u);
}

TEST_F(ParkingTest, ManySleepAtOnceAndEachGetsItsOwnBack) {
  UseHandler(2, 0);
  std::vector<std::shared_ptr<Recording>> runs;
  for (int i = 0; i < 500; ++i) {
    runs.push_back(Start("local mine = task.payload .. '!' task.sleep(0.2) return mine",
                         [i](v1::Task& task) { task.mutable_lua()->set_text(absl::StrCat(i)); }));
  }
  for (int i = 0; i < 500; ++i) EXPECT_EQ(runs[i]->Wait().result.data(), absl::StrCat(i, "!"));
  EXPECT_GT(handler().GetStatistics().moved, 0);
}

TEST_F(ParkingTest, TheProcessThatParkedItMayDie) {
  UseHandler(1, 0);
  const auto sleeper = Start("local kept = {'x'} task.sleep(0.3) return kept[1]");
  WaitUntilParked();
  for (const pid_t pid : SandboxPids()) kill(pid, SIGKILL);
  EXPECT_EQ(sleeper->Wait().result.data(), "x");
}

TEST_F(ParkingTest, WithoutTheZygoteNobodyCanGoOnWithIt) {
  UseHandler(1, 0);
  const auto sleeper = Start("task.sleep(0.3) return 'never'");
  WaitUntilParked();
  for (const pid_t pid : ZygotePids()) kill(pid, SIGKILL);
  for (const pid_t pid : SandboxPids()) kill(pid, SIGKILL);
  EXPECT_EQ(Reason(sleeper->Wait().status), "SANDBOX_DIED");
  EXPECT_EQ(Result("return 1"), "1");
}

TEST_F(ParkingTest, AStopThatComesAsItGoesOnIsNotLost) {
  const AttemptId id = 7;
  const auto sleeper =
      Start("task.sleep(0.001) task.progress(1) for i = 1, 200 do task.sleep(0.001) end", {}, id);
  sleeper->OnEvent([this] { handler().Stop(id); });
  EXPECT_EQ(Reason(sleeper->Wait().status), "CANCELLED");
}

TEST_F(ParkingTest, ADeadlineComesWhileItSleeps) {
  const auto run = Run("task.sleep(1000)", [](v1::Task& task) {
    task.mutable_run_timeout()->set_seconds(0);
    task.mutable_run_timeout()->set_nanos(100'000'000);
  });
  EXPECT_EQ(Reason(run->Wait().status), "RUN_TIMEOUT_EXCEEDED");
  EXPECT_LT(run->Wait().usage.wall_time().seconds(), 10);
}

TEST_F(ParkingTest, WhatIsTooLargeSleepsInItsProcessAndAnotherTakesItsPlace) {
  UseHandler(1, 0);
  const auto large = Start(R"(
      local t = {}
      for i = 1, 200000 do t[i] = i .. 'th' end
      task.progress(1)
      task.sleep(0.5)
      return t[200000])");
  large->WaitForEvents(1);
  EXPECT_EQ(Result("return 1"), "1");
  EXPECT_FALSE(large->over());
  EXPECT_EQ(handler().GetStatistics().held, 1u);
  EXPECT_EQ(large->Wait().result.data(), "200000th");
  EXPECT_EQ(handler().GetStatistics().held, 0u);
  EXPECT_EQ(handler().GetStatistics().held_bytes, 0u);
  EXPECT_EQ(handler().GetStatistics().kept_bytes, 0u);
}

TEST_F(ParkingTest, CpuTimeAndOutputAddUpOverSleeps) {
  const auto run = Run(R"(
      for i = 1, 3 do
        local before = os.clock()
        while os.clock() < before + 0.02 do end
        print('four')
        task.sleep(0.001)
      end)");
  EXPECT_TRUE(run->Wait().status.ok()) << run->Wait().status;
  EXPECT_GE(run->Wait().usage.cpu_time().nanos(), 60'000'000);
  EXPECT_EQ(run->Wait().usage.output_bytes(), 15);
}

TEST_F(ParkingTest, OrderOfEventsIsKeptAcrossSleeps) {
  const auto run = Run("for i = 1, 20 do print(i) task.sleep(0) task.log('l' .. i) end");
  std::vector<std::string> expected;
  for (int i = 1; i <= 20; ++i) {
    expected.push_back(absl::StrCat("out ", i, "\n"));
    expected.push_back(absl::StrCat("info l", i));
  }
  EXPECT_EQ(run->events(), expected);
}

TEST_F(ParkingTest, TheLimitOfMemoryHoldsAfterASleep) {
  const auto run = Run("task.sleep(0.001) local t = {} for i = 1, 1e9 do t[i] = {i} end",
                       [](v1::Task& task) { task.mutable_limits()->set_memory_bytes(2 << 20); });
  EXPECT_EQ(Reason(run->Wait().status), "MEMORY_EXCEEDED");
}

}  // namespace
}  // namespace errand::handlers
