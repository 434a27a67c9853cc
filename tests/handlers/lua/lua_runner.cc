#include "tests/handlers/lua/lua_runner.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "server/task/limits.h"

namespace errand::handlers {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

std::string Describe(const v1::TaskEvent& event) {
  switch (event.event_case()) {
    case v1::TaskEvent::kOutput:
      return absl::StrCat("out ", event.output().data());
    case v1::TaskEvent::kLog:
      return absl::StrCat(absl::AsciiStrToLower(v1::LogLevel_Name(event.log().level()).substr(10)), " ",
                          event.log().message());
    case v1::TaskEvent::kProgress:
      return absl::StrCat(event.progress().completed(), "/", event.progress().total(), " ",
                          event.progress().message());
    default:
      return "unexpected";
  }
}

Attempt MakeAttempt(AttemptId id, const std::string& source, const std::function<void(v1::Task&)>& change) {
  auto task = std::make_shared<v1::Task>();
  task->set_name("queues/default/tasks/test");  // `change` may say another.
  task->mutable_lua()->set_source(source);
  task->mutable_run_timeout()->set_seconds(50);
  task->mutable_limits()->set_memory_bytes(task::kDefaultMemoryBytes);
  task->mutable_limits()->set_output_bytes(task::kDefaultOutputBytes);
  if (change) change(*task);
  Attempt attempt;
  attempt.id = id;
  attempt.number = 1;
  attempt.task = std::move(task);
  return attempt;
}

}  // namespace

class Recorder final : public AttemptObserver {
 public:
  explicit Recorder(std::shared_ptr<Recording> recording) : recording_(std::move(recording)) {}

  void OnEvent(v1::TaskEvent event) override {
    EXPECT_FALSE(recording_->over());
    std::function<void()> call;
    {
      absl::MutexLock lock(&recording_->mu_);
      recording_->events_.push_back(std::move(event));
      call = recording_->on_event_;
    }
    if (call) call();
  }

  void OnDone(Outcome outcome) override {
    recording_->outcome_ = std::move(outcome);
    recording_->over_.Notify();
  }

 private:
  const std::shared_ptr<Recording> recording_;
};

const Outcome& Recording::Wait() {
  EXPECT_TRUE(over_.WaitForNotificationWithTimeout(kPatience));
  return outcome_;
}

void Recording::WaitForEvents(size_t count) {
  absl::MutexLock lock(&mu_);
  const auto enough = [this, count]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return events_.size() >= count; };
  EXPECT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&enough), kPatience));
}

void Recording::OnEvent(std::function<void()> call) {
  absl::MutexLock lock(&mu_);
  on_event_ = std::move(call);
}

std::vector<std::string> Recording::events() {
  absl::MutexLock lock(&mu_);
  std::vector<std::string> described;
  for (const v1::TaskEvent& event : events_) described.push_back(Describe(event));
  return described;
}

std::string Reason(const absl::Status& status) {
  const auto payload = status.GetPayload("type.googleapis.com/google.rpc.ErrorInfo");
  google::rpc::ErrorInfo info;
  if (payload.has_value()) info.ParseFromString(std::string(*payload));
  return info.reason();
}

void LuaTest::UseHandler(int workers, int spares, const std::string& program) {
  UseHandler({.workers = workers, .spares = spares}, program);
}

void LuaTest::UseHandler(LuaHandlerOptions options, const std::string& program) {
  auto zygote = Zygote::Start(program, &loop_);
  ASSERT_TRUE(zygote.ok()) << zygote.status();
  zygote_ = *std::move(zygote);
  auto handler = LuaHandler::Create(std::move(options), zygote_.get());
  ASSERT_TRUE(handler.ok()) << handler.status();
  handler_ = *std::move(handler);
  handler_->WatchRoom([this] {
    absl::MutexLock lock(&mu_);
    ++changes_;
  });
}

void LuaTest::WaitUntil(const std::function<bool(const LuaHandler::Statistics&)>& reached) {
  for (int seen = -1;;) {
    {
      absl::MutexLock lock(&mu_);
      const auto changed = [this, seen]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return changes_ != seen; };
      ASSERT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&changed), kPatience));
      seen = changes_;
    }
    if (reached(handler().GetStatistics())) return;
  }
}

LuaHandler& LuaTest::handler() {
  if (handler_ == nullptr) UseHandler(1, 1);
  return *handler_;
}

std::shared_ptr<Recording> LuaTest::Start(const std::string& source,
                                          const std::function<void(v1::Task&)>& change, AttemptId id) {
  auto recording = std::make_shared<Recording>();
  handler().Start(MakeAttempt(id == kAnyId ? next_id_++ : id, source, change),
                  std::make_unique<Recorder>(recording));
  return recording;
}

std::vector<std::shared_ptr<Recording>> LuaTest::StartTogether(const std::vector<std::string>& sources) {
  std::vector<std::shared_ptr<Recording>> recordings;
  std::vector<NewAttempt> attempts;
  for (const std::string& source : sources) {
    recordings.push_back(std::make_shared<Recording>());
    attempts.push_back(
        {MakeAttempt(recordings.size(), source, {}), std::make_unique<Recorder>(recordings.back())});
  }
  handler().StartAll(std::move(attempts));
  return recordings;
}

std::shared_ptr<Recording> LuaTest::Run(const std::string& source,
                                        const std::function<void(v1::Task&)>& change) {
  auto recording = Start(source, change);
  recording->Wait();
  return recording;
}

std::string LuaTest::Result(const std::string& source, const std::function<void(v1::Task&)>& change) {
  const auto recording = Run(source, change);
  EXPECT_TRUE(recording->Wait().status.ok()) << recording->Wait().status;
  return recording->Wait().result.data();
}

std::string LuaTest::Error(const std::string& source) {
  const auto recording = Run(source);
  EXPECT_EQ(Reason(recording->Wait().status), "LUA_ERROR");
  return std::string(recording->Wait().status.message());
}

}  // namespace errand::handlers
