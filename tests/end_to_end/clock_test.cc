// A server whose wall clock is set while it works: nothing that is measured notices.
#include <google/protobuf/util/time_util.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/end_to_end/stepped_wall_clock.h"

namespace errand {
namespace {

using google::protobuf::util::TimeUtil;

// Far more than anything here takes, and far less than a step of an hour.
constexpr absl::Duration kPatience = absl::Seconds(30);

struct Case {
  const char* name;
  absl::Duration step;
  bool durable;
};
// Otherwise ctest's name of the test would have its bytes.
void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }

class SetClock : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "a sanitizer's runtime has to be loaded before anything that is preloaded";
#endif
    std::vector<std::string> flags = {"--drain_timeout=1s"};
    if (GetParam().durable) {
      std::string pattern = (std::filesystem::temp_directory_path() / "errand-clock-XXXXXX").string();
      folder_ = mkdtemp(pattern.data());
      flags.push_back("--data_dir=" + folder_);
    }
    server_ = std::make_unique<ServerProcess>(std::move(flags), /*log=*/-1, clock_.command());
  }
  ~SetClock() override {
    server_ = nullptr;
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }

  v1::Tasks::Stub& tasks() { return server_->tasks(); }

  std::string Submit(v1::CreateTaskRequest request) {
    v1::Task task;
    const grpc::Status created = Create(tasks(), request, &task);
    EXPECT_TRUE(created.ok()) << created.error_message();
    return task.name();
  }

  v1::Task State(const std::string& name) {
    v1::Task task;
    EXPECT_TRUE(Get(tasks(), name, &task).ok());
    return task;
  }

  // Waits until the task has ended, as a client would, and not for long.
  v1::Task AwaitEnd(const std::string& name) {
    v1::WaitTaskRequest request;
    request.set_name(name);
    *request.mutable_timeout() = TimeUtil::SecondsToDuration(absl::ToInt64Seconds(kPatience));
    v1::WaitTaskResponse response;
    const grpc::Status waited = Call(tasks(), &v1::Tasks::Stub::WaitTask, request, &response);
    EXPECT_TRUE(waited.ok()) << waited.error_message();
    return response.task();
  }

  void SetQueue(const v1::Queue& queue) {
    v1::UpdateQueueRequest request;
    *request.mutable_queue() = queue;
    v1::UpdateQueueResponse response;
    const grpc::Status updated = Call(server_->queues(), &v1::Queues::Stub::UpdateQueue, request, &response);
    ASSERT_TRUE(updated.ok()) << updated.error_message();
  }

  SteppedWallClock clock_;
  std::string folder_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_P(SetClock, ChangesNothingThatIsMeasured) {
  v1::Queue limited;
  limited.set_name("queues/limited");
  limited.mutable_rate_limit()->set_tasks_per_second(5);
  SetQueue(limited);
  v1::Queue held;
  held.set_name("queues/held");
  held.mutable_rate_limit()->set_tasks_per_second(0.001);
  SetQueue(held);

  std::vector<std::string> rated;
  const absl::Time begun = absl::Now();
  for (int i = 0; i < 10; ++i) {
    v1::CreateTaskRequest request = LuaRequest("return 1");
    request.set_parent("queues/limited");
    rated.push_back(Submit(request));
  }
  v1::CreateTaskRequest request = LuaRequest("task.sleep(2) return os.time() > 0");
  const std::string sleeper = Submit(request);
  request = LuaRequest("while true do end");
  request.mutable_task()->mutable_run_timeout()->set_seconds(2);
  const std::string endless = Submit(request);
  request = LuaRequest("if task.attempt < 3 then error('x') end");
  request.mutable_task()->mutable_retry_policy()->set_max_attempts(3);
  *request.mutable_task()->mutable_retry_policy()->mutable_min_backoff() = TimeUtil::SecondsToDuration(1);
  *request.mutable_task()->mutable_retry_policy()->mutable_max_backoff() = TimeUtil::SecondsToDuration(1);
  const std::string retried = Submit(request);
  request = LuaRequest(R"(shared.set('k', 1, 1) local n = 0
    while shared.get('k') do task.sleep(0.1) n = n + 1 end return n)");
  const std::string shares = Submit(request);
  request = LuaRequest("return 1");
  request.set_parent("queues/held");
  Submit(request);  // Takes the only token for a quarter of an hour.
  *request.mutable_task()->mutable_ttl() = TimeUtil::SecondsToDuration(2);
  const std::string expiring = Submit(request);

  WaitForState(tasks(), sleeper, v1::TASK_STATE_RUNNING);
  clock_.Set(GetParam().step);
  const absl::Time set = absl::Now();

  for (const std::string& name : rated) EXPECT_EQ(AwaitEnd(name).state(), v1::TASK_STATE_SUCCEEDED) << name;
  EXPECT_GE(absl::Now() - begun, absl::Milliseconds(1700))
      << "ten tasks, the first at once, at five a second";
  v1::Task task = AwaitEnd(sleeper);
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(task.attempt_count(), 1);
  EXPECT_GE(TimeUtil::TimestampToNanoseconds(task.start_time()),
            TimeUtil::TimestampToNanoseconds(task.create_time()));
  EXPECT_GE(TimeUtil::TimestampToNanoseconds(task.end_time()),
            TimeUtil::TimestampToNanoseconds(task.start_time()));
  task = AwaitEnd(endless);
  EXPECT_EQ(task.state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(task.attempt_count(), 1);
  EXPECT_GE(task.usage().wall_time().seconds(), 1);
  EXPECT_LT(task.usage().wall_time().seconds(), 30);
  task = AwaitEnd(retried);
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(task.attempt_count(), 3);
  task = AwaitEnd(shares);
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_GT(std::stoi(task.result().data()), 2) << "the value was there for about a second";
  EXPECT_EQ(AwaitEnd(expiring).state(), v1::TASK_STATE_EXPIRED);
  EXPECT_GE(absl::Now() - begun, absl::Seconds(2));
  EXPECT_LT(absl::Now() - set, kPatience);
}

TEST_P(SetClock, ATaskStartsWhenItsTimeOfDayHasCome) {
  const absl::Duration wait = absl::Minutes(30);
  v1::CreateTaskRequest request = LuaRequest("return 1");
  const int64_t due = absl::ToUnixNanos(clock_.Now() + wait);
  *request.mutable_task()->mutable_schedule_time() = TimeUtil::NanosecondsToTimestamp(due);
  const std::string scheduled = Submit(request);
  clock_.Set(GetParam().step);
  // Later ones are not held up by it.
  EXPECT_EQ(AwaitEnd(Submit(LuaRequest("return 2"))).state(), v1::TASK_STATE_SUCCEEDED);
  if (GetParam().step < wait) {
    EXPECT_EQ(State(scheduled).state(), v1::TASK_STATE_SCHEDULED);
    clock_.Set(wait);
  }
  EXPECT_EQ(AwaitEnd(scheduled).state(), v1::TASK_STATE_SUCCEEDED);
}

TEST_P(SetClock, AWaitIsAnsweredAfterItsTimeout) {
  const std::string name = Submit(LuaRequest("task.sleep(600)"));
  WaitForState(tasks(), name, v1::TASK_STATE_RUNNING);
  v1::WaitTaskRequest request;
  request.set_name(name);
  request.mutable_timeout()->set_seconds(1);
  v1::WaitTaskResponse response;
  std::thread setter([&] { clock_.Set(GetParam().step); });
  const absl::Time begun = absl::Now();
  const grpc::Status waited = Call(tasks(), &v1::Tasks::Stub::WaitTask, request, &response);
  EXPECT_LT(absl::Now() - begun, kPatience);
  setter.join();
  EXPECT_TRUE(waited.ok()) << waited.error_message();
  EXPECT_EQ(response.task().state(), v1::TASK_STATE_RUNNING);
}

TEST_P(SetClock, ADrainTakesNoLongerThanItMay) {
  const std::string name = Submit(LuaRequest("task.sleep(600)"));
  WaitForState(tasks(), name, v1::TASK_STATE_RUNNING);
  const absl::Time begun = absl::Now();
  server_->Signal(SIGTERM);
  clock_.Set(GetParam().step);
  EXPECT_EQ(server_->Wait(), 0);
  EXPECT_LT(absl::Now() - begun, kPatience);
}

INSTANTIATE_TEST_SUITE_P(Steps, SetClock,
                         ::testing::Values(Case{"AnHourBack", -absl::Hours(1), false},
                                           Case{"AnHourBackDurable", -absl::Hours(1), true},
                                           Case{"ASecondBackDurable", -absl::Seconds(1), true},
                                           Case{"ASecondForward", absl::Seconds(1), false},
                                           Case{"AnHourForwardDurable", absl::Hours(1), true}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace errand
