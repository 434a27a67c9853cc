#include "server/executor/executor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "server/store/memory/memory_store.h"
#include "server/task/errors.h"
#include "tests/store/memory_store_factory.h"

namespace errand::executor {
namespace {

using store::StoreFixture;

// A handler whose attempts end when the test says so.
class FakeHandler : public handlers::Handler {
 public:
  explicit FakeHandler(int slots) : slots_(slots) {}

  task::Room GetRoom() override {
    absl::MutexLock lock(&mu_);
    if (held_) return {.tasks = 0, .held_by = v1::HELD_BY_MAIL_SERVER};
    return {.tasks = slots_ - static_cast<int>(running_.size()), .queues = bounded_};
  }
  void WatchRoom(std::function<void()> more_room) override { more_room_ = std::move(more_room); }

  // Takes no task of a queue, until it does.
  void Exclude(const std::string& queue) {
    absl::MutexLock lock(&mu_);
    bounded_[queue] = {0, v1::HELD_BY_QUEUE_SHARE};
  }
  void Include(const std::string& queue) {
    {
      absl::MutexLock lock(&mu_);
      bounded_.erase(queue);
    }
    more_room_();
  }

  // Takes no task at all, or does again.
  void Hold(bool held) {
    {
      absl::MutexLock lock(&mu_);
      held_ = held;
    }
    more_room_();
  }

  // Has `call` called when an attempt is started, before the handler knows it.
  void BeforeStart(std::function<void()> call) { before_start_ = std::move(call); }

  void Start(handlers::Attempt attempt, std::unique_ptr<handlers::AttemptObserver> observer) override {
    if (before_start_) before_start_();
    absl::MutexLock lock(&mu_);
    most_running_ = std::max<size_t>(most_running_, running_.size() + 1);
    ++started_;
    running_[attempt.id] = {std::move(attempt), std::move(observer)};
  }

  // As a sandbox would: the attempt ends as CANCELLED.
  void Stop(handlers::AttemptId id) override {
    {
      absl::MutexLock lock(&mu_);
      ++stopped_;
      if (running_.count(id) == 0) return;
    }
    End(id, task::Error(absl::StatusCode::kCancelled, "CANCELLED", "stopped"), false);
  }

  // Waits until somebody has called Stop.
  void AwaitStop() {
    absl::MutexLock lock(&mu_);
    const auto any = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return stopped_ > 0; };
    EXPECT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&any), absl::Seconds(30)));
  }

  // Waits for the next attempt to run; its id.
  handlers::AttemptId Next() {
    absl::MutexLock lock(&mu_);
    const auto any = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return !running_.empty(); };
    EXPECT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&any), absl::Seconds(30)));
    return running_.empty() ? 0 : running_.begin()->first;
  }

  void End(handlers::AttemptId id, absl::Status status = absl::OkStatus(), bool permanent = false) {
    std::unique_ptr<handlers::AttemptObserver> observer;
    {
      absl::MutexLock lock(&mu_);
      observer = std::move(running_.at(id).second);
      running_.erase(id);
    }
    handlers::Outcome outcome;
    outcome.status = std::move(status);
    outcome.permanent = permanent;
    observer->OnDone(std::move(outcome));
  }

  std::shared_ptr<const task::Script> script(handlers::AttemptId id) {
    absl::MutexLock lock(&mu_);
    return running_.at(id).first.script;
  }
  handlers::AttemptObserver& observer(handlers::AttemptId id) {
    absl::MutexLock lock(&mu_);
    return *running_.at(id).second;
  }
  size_t most_running() {
    absl::MutexLock lock(&mu_);
    return most_running_;
  }
  int started() {
    absl::MutexLock lock(&mu_);
    return started_;
  }

 private:
  const int slots_;
  std::function<void()> before_start_;
  std::function<void()> more_room_;
  absl::Mutex mu_;
  absl::flat_hash_map<std::string, task::QueueRoom> bounded_ ABSL_GUARDED_BY(mu_);
  std::map<handlers::AttemptId, std::pair<handlers::Attempt, std::unique_ptr<handlers::AttemptObserver>>>
      running_ ABSL_GUARDED_BY(mu_);
  size_t most_running_ ABSL_GUARDED_BY(mu_) = 0;
  int started_ ABSL_GUARDED_BY(mu_) = 0;
  int stopped_ ABSL_GUARDED_BY(mu_) = 0;
  bool held_ ABSL_GUARDED_BY(mu_) = false;
};

class ExecutorTest : public ::testing::Test {
 protected:
  explicit ExecutorTest(int slots = 2)
      : handler_(slots), executor_(&store_.store(), &loop_, absl::Minutes(1), "here") {
    executor_.AddHandler(task::HandlerKind::kLua, &handler_, &loop_);
  }
  ~ExecutorTest() override { executor_.Drain(clock::Instant::InfinitePast()); }

  // The attempt ends, and that is reported.
  void End(handlers::AttemptId id, absl::Status status = absl::OkStatus(), bool permanent = false) {
    handler_.End(id, std::move(status), permanent);
    WaitForReports();
  }
  void WaitForReports() {
    absl::Notification reported;
    loop_.Post([&reported] { reported.Notify(); });
    reported.WaitForNotification();
  }
  v1::TaskState StateOf(const std::string& id) { return store_.Get(id)->state(); }

  StoreFixture store_{store::MakeMemoryStore};
  io::Loop loop_;
  FakeHandler handler_;
  Executor executor_;
};

TEST_F(ExecutorTest, RunsNoMoreAttemptsThanTheHandlerHasSlots) {
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(store_.Submit(StoreFixture::Lua(absl::StrCat("t", i))).ok());
  executor_.Start();
  for (int i = 0; i < 10; ++i) End(handler_.Next());
  EXPECT_EQ(handler_.most_running(), 2u);
  EXPECT_EQ(handler_.started(), 10);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(StateOf(absl::StrCat("t", i)), v1::TASK_STATE_SUCCEEDED);
}

TEST_F(ExecutorTest, AQueueThatTheHandlerExcludesWaitsAndTheOthersDoNot) {
  handler_.Exclude("queues/default");
  executor_.Start();
  ASSERT_TRUE(store_.Submit(StoreFixture::Lua("a")).ok());
  ASSERT_TRUE(store_.Submit(StoreFixture::Lua("b", "queues/other")).ok());
  End(handler_.Next());
  EXPECT_EQ(handler_.started(), 1);
  EXPECT_EQ(StateOf("a"), v1::TASK_STATE_QUEUED);
  EXPECT_EQ(store_.Stats("queues/default")->held_by(), v1::HELD_BY_QUEUE_SHARE);
  handler_.Include("queues/default");
  End(handler_.Next());
  EXPECT_EQ(StateOf("a"), v1::TASK_STATE_SUCCEEDED);
}

TEST_F(ExecutorTest, AHandlerThatTakesNothingForAReasonOfItsOwnSaysIt) {
  executor_.Start();
  handler_.Hold(true);
  ASSERT_TRUE(store_.Submit(StoreFixture::Lua("a")).ok());
  End(handler_.Next());  // That of the claim that was there before.
  ASSERT_TRUE(store_.Submit(StoreFixture::Lua("b")).ok());
  EXPECT_EQ(store_.Stats("queues/default")->held_by(), v1::HELD_BY_MAIL_SERVER);
  EXPECT_EQ(handler_.started(), 1);
  handler_.Hold(false);
  End(handler_.Next());
  EXPECT_EQ(StateOf("b"), v1::TASK_STATE_SUCCEEDED);
}

TEST_F(ExecutorTest, AnAttemptComesWithTheScriptThatItsTaskNames) {
  ASSERT_TRUE(store_.PutScript("scripts/s", "return 1").ok());
  ASSERT_TRUE(store_.Submit(StoreFixture::Scripted("t", "scripts/s")).ok());
  ASSERT_TRUE(store_.PutScript("scripts/s", "return 2").ok());
  executor_.Start();
  const handlers::AttemptId id = handler_.Next();
  ASSERT_NE(handler_.script(id), nullptr);
  EXPECT_EQ(handler_.script(id)->version, 1);
  EXPECT_EQ(handler_.script(id)->source, "return 1");
  End(id);
}

TEST_F(ExecutorTest, ATaskSubmittedLaterIsStartedAtOnce) {
  executor_.Start();
  ASSERT_TRUE(store_.Submit(StoreFixture::Lua("a")).ok());
  End(handler_.Next());
  EXPECT_EQ(StateOf("a"), v1::TASK_STATE_SUCCEEDED);
}

TEST_F(ExecutorTest, AnErrorIsRetriedAndAPermanentOneIsNot) {
  executor_.Start();
  for (const char* id : {"again", "never"}) {
    auto submission =
        StoreFixture::LuaWith(id, [](auto& task) { task.mutable_retry_policy()->set_max_attempts(2); });
    ASSERT_TRUE(store_.Submit(std::move(submission)).ok());
    const bool permanent = std::string(id) == "never";
    End(handler_.Next(), task::Error(absl::StatusCode::kUnknown, "LUA_ERROR", "no"), permanent);
  }
  EXPECT_EQ(StateOf("again"), v1::TASK_STATE_SCHEDULED);
  EXPECT_EQ(StateOf("never"), v1::TASK_STATE_FAILED);
  store_.Advance(absl::Minutes(1));
  End(handler_.Next(), task::Error(absl::StatusCode::kUnknown, "LUA_ERROR", "no"));
  EXPECT_EQ(StateOf("again"), v1::TASK_STATE_FAILED) << "attempts are spent";
}

TEST_F(ExecutorTest, ReportsReachTheTasksEvents) {
  executor_.Start();
  ASSERT_TRUE(store_.Submit(StoreFixture::Lua("a")).ok());
  const handlers::AttemptId id = handler_.Next();
  v1::TaskEvent event;
  event.mutable_progress()->set_completed(7);
  handler_.observer(id).OnEvent(event);
  EXPECT_EQ(store_.Get("a")->progress().completed(), 7);
  End(id);
}

TEST_F(ExecutorTest, ACancelStopsTheAttempt) {
  executor_.Start();
  ASSERT_TRUE(store_.Submit(StoreFixture::Lua("a")).ok());
  handler_.Next();
  ASSERT_TRUE(store_.Cancel("a").ok());
  WaitForReports();
  EXPECT_EQ(StateOf("a"), v1::TASK_STATE_CANCELLED);
}

TEST_F(ExecutorTest, ACancelThatComesBeforeTheHandlerKnowsTheAttemptStopsIt) {
  handler_.BeforeStart([this] { EXPECT_TRUE(store_.Cancel("a").ok()); });
  executor_.Start();
  ASSERT_TRUE(store_.Submit(StoreFixture::Lua("a")).ok());
  WaitForReports();
  EXPECT_EQ(StateOf("a"), v1::TASK_STATE_CANCELLED);
}

TEST_F(ExecutorTest, DrainWaitsForRunningAttemptsAndStartsNoMore) {
  executor_.Start();
  ASSERT_TRUE(store_.Submit(StoreFixture::Lua("a")).ok());
  const handlers::AttemptId id = handler_.Next();
  std::thread drain([&] { executor_.Drain(clock::Instant::InfiniteFuture()); });
  End(id);
  drain.join();
  EXPECT_EQ(StateOf("a"), v1::TASK_STATE_SUCCEEDED);
  ASSERT_TRUE(store_.Submit(StoreFixture::Lua("b")).ok());
  EXPECT_EQ(StateOf("b"), v1::TASK_STATE_QUEUED);
}

// A disk that fails closes the store while claims wait.
TEST_F(ExecutorTest, AStoreThatIsClosedIsNotAskedAgainAndAgain) {
  executor_.Start();
  store_.store().Close();
  handler_.Include("queues/default");  // More room is of no use, either.
  EXPECT_EQ(handler_.started(), 0);
}

TEST_F(ExecutorTest, DrainReleasesWhatStillRunsAtItsDeadline) {
  executor_.Start();
  ASSERT_TRUE(store_.Submit(StoreFixture::Lua("a")).ok());
  handler_.Next();
  executor_.Drain(clock::Instant::Now() + absl::Milliseconds(1));
  EXPECT_EQ(StateOf("a"), v1::TASK_STATE_QUEUED);
}

TEST_F(ExecutorTest, DrainReleasesAnAttemptThatTheHandlerDoesNotKnowYet) {
  std::thread drain;
  handler_.BeforeStart([&] {
    drain = std::thread([this] { executor_.Drain(clock::Instant::InfinitePast()); });
    handler_.AwaitStop();
  });
  executor_.Start();
  ASSERT_TRUE(store_.Submit(StoreFixture::Lua("a")).ok());
  drain.join();
  EXPECT_EQ(StateOf("a"), v1::TASK_STATE_QUEUED);
}

TEST(Executor, SubmittersAndFinishersRaceWithoutLosingATask) {
  store::MemoryStore store{store::StoreOptions()};
  io::Loop loop;
  FakeHandler handler(3);
  Executor executor(&store, &loop, absl::Minutes(1), "here");
  executor.AddHandler(task::HandlerKind::kLua, &handler, &loop);
  executor.Start();
  constexpr int kEach = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const store::Wanted wanted = StoreFixture::Lua(absl::StrCat("t", t, "-", i));
        store.Submit({wanted.submission()}, store::SubmitMode::kEach,
                     [](auto results) { EXPECT_TRUE(results[0].ok()); });
      }
    });
  }
  for (int i = 0; i < 2 * kEach; ++i) handler.End(handler.Next());
  for (auto& thread : threads) thread.join();
  executor.Drain(clock::Instant::InfiniteFuture());
  EXPECT_EQ(handler.started(), 2 * kEach);
}

}  // namespace
}  // namespace errand::executor
