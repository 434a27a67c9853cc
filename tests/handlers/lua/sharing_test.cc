// Scripts of one queue beside those of others.

#include <signal.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/handlers/lua/shares.h"
#include "tests/handlers/lua/lua_runner.h"

namespace errand::handlers {
namespace {

constexpr char kEndless[] = "task.progress(1) while true do end";
// A comparator is called by C code, out of which nothing can be parked.
constexpr char kEndlessInC[] = "task.progress(1) table.sort({3, 2, 1}, function() while true do end end)";
// More than a difference may have.
constexpr char kLargeSleeper[] =
    "local t = {} for i = 1, 200000 do t[i] = i .. 'th' end task.progress(1) task.sleep(1000)";

std::function<void(v1::Task&)> In(const std::string& queue) {
  return [queue](v1::Task& task) { task.set_name(absl::StrCat("queues/", queue, "/tasks/t")); };
}

class SharingTest : public LuaTest {
 protected:
  // Starts `count` scripts of the queue "crowd", with the ids from 1 on.
  void StartCrowd(const std::string& source, int count) {
    for (int i = 0; i < count; ++i) {
      crowd_.push_back(Start(source, In("crowd"), static_cast<AttemptId>(i + 1)));
    }
  }
  void EndCrowd() {
    for (size_t i = 0; i < crowd_.size(); ++i) handler().Stop(i + 1);
    for (const auto& run : crowd_) EXPECT_EQ(Reason(run->Wait().status), "CANCELLED");
    const LuaHandler::Statistics after = handler().GetStatistics();
    EXPECT_EQ(after.held, 0u);
    EXPECT_EQ(after.held_bytes, 0u);
    EXPECT_EQ(after.kept_bytes, 0u);
    EXPECT_EQ(after.parked, 0u);
  }
  void ExpectOthersRun() {
    for (int i = 0; i < 20; ++i) EXPECT_EQ(Result("return 1", In("other")), "1");
  }
  // What keeps a queue from getting more; nothing if it may.
  std::optional<v1::HeldBy> HeldBack(const std::string& queue) {
    const task::Room room = handler().GetRoom();
    const auto found = room.queues.find("queues/" + queue);
    if (found == room.queues.end() || found->second.tasks > 0) return std::nullopt;
    return found->second.held_by;
  }

  std::vector<std::shared_ptr<Recording>> crowd_;
};

TEST_F(SharingTest, EndlessScriptsOfAQueueLeaveOthersTheirTurns) {
  UseHandler(1, 1);
  StartCrowd(kEndless, 100);
  ExpectOthersRun();
  EXPECT_EQ(HeldBack("crowd"), v1::HELD_BY_QUEUE_SHARE);
  EXPECT_EQ(HeldBack("other"), std::nullopt);
  EXPECT_GT(handler().GetRoom().tasks, 0);
  EndCrowd();
}

TEST_F(SharingTest, ScriptsThatCannotGiveWayAreFrozenAndBounded) {
  UseHandler(1, 1);
  StartCrowd(kEndlessInC, 100);
  ExpectOthersRun();
  WaitUntil([](const auto& now) { return now.held >= 3; });
  ExpectOthersRun();
  EXPECT_LE(handler().GetStatistics().held, 33u);
  EXPECT_EQ(HeldBack("other"), std::nullopt);
  EndCrowd();
}

TEST_F(SharingTest, AFrozenScriptGoesOnInItsTurn) {
  UseHandler(1, 1);
  const auto in_c = Start(R"(
      task.progress(1)
      local t = {}
      for i = 1, 100 do t[i] = -i end
      local finish = os.clock() + 0.2
      table.sort(t, function(a, b) while os.clock() < finish do end return a < b end)
      return t[1])",
                          In("crowd"), 1000);
  in_c->WaitForEvents(1);
  const auto endless = Start(kEndless, In("other"), 1001);
  EXPECT_EQ(in_c->Wait().result.data(), "-100");
  EXPECT_FALSE(endless->over());
  handler().Stop(1001);
  EXPECT_EQ(Reason(endless->Wait().status), "CANCELLED");
}

TEST_F(SharingTest, AFrozenScriptIsStoppedAtOnce) {
  UseHandler(1, 1);
  StartCrowd(kEndlessInC, 2);
  WaitUntil([](const auto& now) { return now.held > 0; });
  EndCrowd();
}

TEST_F(SharingTest, LargeSleepersTakeABoundedNumberOfProcesses) {
  UseHandler(2, 1);
  StartCrowd(kLargeSleeper, 60);
  WaitUntil([](const auto& now) { return now.held >= 20; });
  ExpectOthersRun();
  EXPECT_LE(handler().GetStatistics().held, 34u);
  EndCrowd();
}

TEST_F(SharingTest, LargeSleepersTakeABoundedAmountOfMemory) {
  constexpr size_t kBytes = size_t{256} << 20;
  UseHandler({.workers = 1, .spares = 1, .process_bytes = kBytes});
  StartCrowd(kLargeSleeper, 40);
  WaitUntil([](const auto& now) { return now.held >= 1 && now.held_bytes >= kBytes / 8; });
  ExpectOthersRun();
  EXPECT_LE(handler().GetStatistics().held_bytes, kBytes / 2);
  EXPECT_EQ(HeldBack("other"), std::nullopt);
  EndCrowd();
}

TEST_F(SharingTest, ParkedScriptsOfAQueueLeaveOthersRoom) {
  constexpr size_t kBytes = size_t{8} << 20;
  UseHandler({.workers = 1, .spares = 1, .kept_bytes = kBytes});
  StartCrowd("local t = {} for i = 1, 5000 do t[i] = i .. 'th' end task.sleep(1000)", 60);
  WaitUntil([](const auto& now) { return now.kept_bytes >= kBytes / 3; });
  ExpectOthersRun();
  EXPECT_LE(handler().GetStatistics().kept_bytes, kBytes);
  EXPECT_EQ(HeldBack("crowd"), v1::HELD_BY_SCRIPT_MEMORY);
  EXPECT_EQ(HeldBack("other"), std::nullopt);
  EndCrowd();
}

TEST_F(SharingTest, AScriptThatWaitsWhereNothingIsLeftEndsAndSaysSo) {
  UseHandler({.workers = 1, .spares = 1, .kept_bytes = size_t{64} << 10});
  const auto run = Run("local t = {} for i = 1, 20000 do t[i] = i .. 'th' end task.sleep(1000)");
  EXPECT_EQ(Reason(run->Wait().status), "SANDBOX_CROWDED");
  EXPECT_EQ(Result("task.sleep(0.001) return 1", In("other")), "1");
  EXPECT_EQ(handler().GetStatistics().kept_bytes, 0u);
}

TEST_F(SharingTest, AScriptMayNotTakeMoreMemoryThanTheServerHas) {
  UseHandler({.workers = 1, .spares = 1, .process_bytes = LuaHandler::kMinProcessBytes});
  const auto run = Run("return #('x'):rep(60000000)");
  EXPECT_EQ(Reason(run->Wait().status), "MEMORY_EXCEEDED");
}

TEST_F(SharingTest, AProcessThatDiesWhileItHoldsAScriptFailsThatOne) {
  UseHandler(1, 0);
  const auto sleeper = Start(kLargeSleeper, In("crowd"));
  WaitUntil([](const auto& now) { return now.held == 1; });
  for (const pid_t pid : SandboxPids()) kill(pid, SIGKILL);
  EXPECT_EQ(Reason(sleeper->Wait().status), "SANDBOX_DIED");
  EXPECT_EQ(handler().GetStatistics().held, 0u);
  EXPECT_EQ(handler().GetStatistics().held_bytes, 0u);
}

TEST_F(SharingTest, AnAnswerReachesAScriptThatIsTooLargeToPark) {
  LuaHandlerOptions options;
  options.workers = 1;
  options.submit = [](Submitter, std::string, absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) {
    done("queues/default/tasks/child");
  };
  UseHandler(std::move(options));
  EXPECT_EQ(Result(R"(
      local t = {}
      for i = 1, 200000 do t[i] = i .. 'th' end
      return task.submit{task = {lua = {source = 'return 1'}}} .. t[200000])"),
            "queues/default/tasks/child200000th");
}

// Who has the next turn, as names of queues, when each turn takes `turn`.
std::string Turns(Shares& shares, int count, absl::Duration turn) {
  std::string turns;
  for (int i = 0; i < count; ++i) {
    Share* next = nullptr;
    shares.InOrder([&](Share& share) {
      next = &share;
      return false;
    });
    const Ready ready = shares.Take(*next, Shares::Line::kFresh, turn);
    turns += next->queue;
    shares.Add(*next, Shares::Line::kFresh, ready);
  }
  return turns;
}

TEST(SharesTest, QueuesHaveTheSameTimeByWeightWhateverTheirNumberOfAttempts) {
  Shares shares;
  const auto light = shares.Of("l", 1);
  const auto heavy = shares.Of("h", 3);
  for (int i = 0; i < 10; ++i) shares.Add(*light, Shares::Line::kFresh, {nullptr, {}});
  shares.Add(*heavy, Shares::Line::kFresh, {nullptr, {}});
  const std::string turns = Turns(shares, 40, absl::Milliseconds(10));
  EXPECT_EQ(std::count(turns.begin(), turns.end(), 'h'), 30);
}

TEST(SharesTest, AQueueThatComesBackHasNotSavedUpTime) {
  Shares shares;
  const auto busy = shares.Of("b", 1);
  shares.Add(*busy, Shares::Line::kFresh, {nullptr, {}});
  Turns(shares, 1000, absl::Milliseconds(10));
  const auto back = shares.Of("n", 1);
  shares.Add(*back, Shares::Line::kFresh, {nullptr, {}});
  const std::string turns = Turns(shares, 10, absl::Milliseconds(10));
  // Where both have had as much, either may be the next.
  EXPECT_GE(std::count(turns.begin(), turns.end(), 'n'), 5);
  EXPECT_LE(std::count(turns.begin(), turns.end(), 'n'), 6);
}

TEST(SharesTest, IdleQueuesAreForgotten) {
  Shares shares;
  for (int i = 0; i < 100'000; ++i) (void)shares.Of(absl::StrCat("q", i), 1);
  int count = 0;
  shares.ForEach([&count](Share&) { ++count; });
  EXPECT_LT(count, 1000);
}

TEST(MayTakeMoreTest, WhateverSomeTakeOthersHaveRoom) {
  constexpr int kAll = 100;
  std::vector<int> own(4, 0);
  const auto taken = [&own] { return std::accumulate(own.begin(), own.end(), 0); };
  for (bool more = true; more;) {
    more = false;
    for (int& one : own) {
      if (!MayTakeMore(one, taken(), kAll)) continue;
      ++one;
      more = true;
    }
  }
  EXPECT_LE(taken(), kAll - kAll / 6);
  EXPECT_TRUE(MayTakeMore(0, taken(), kAll));
}

}  // namespace
}  // namespace errand::handlers
