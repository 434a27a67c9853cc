// Whether a server that is used for long, in all ways at once, keeps what memory it has.
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "errand/v1/queues.grpc.pb.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "tests/bench/disk_folder.h"
#include "tests/bench/failure.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/server_process.h"

namespace errand::bench {
namespace {

constexpr int kUsers = 8;
constexpr int kQueues = 20;
// How long the load is found out that is halved then.
constexpr absl::Duration kFullLoad = absl::Seconds(10);
// The minute whose memory the last one's is compared to.
constexpr int kFirstMinute = 5;
constexpr double kMiB = 1 << 20;

std::shared_ptr<grpc::Channel> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// One client, who does one thing after the other, each in its turn: creates tasks that sleep, say much,
// return much, fail and are tried again, make others, or wait for their key; runs them, watches them,
// cancels, lists and deletes them, sends many at once, and comes again over a new connection.
class User {
 public:
  User(std::string address, int number)
      : address_(std::move(address)), number_(number), tasks_(v1::Tasks::NewStub(Connect(address_))) {}

  void Step() {
    constexpr std::array kThings = {&User::RunTrivial,   &User::Create,        &User::RunTalkative,
                                    &User::Create,       &User::CreateLarge,   &User::RunTrivial,
                                    &User::CreateChild,  &User::CreateFailing, &User::RunReturning,
                                    &User::CreateKeyed,  &User::SubmitMany,    &User::CancelSleeper,
                                    &User::ListAndDelete};
    (this->*kThings[static_cast<size_t>(step_) % kThings.size()])();
    if (++step_ % 500 == 0) tasks_ = v1::Tasks::NewStub(Connect(address_));
  }

 private:
  static void Check(const grpc::Status& status, const char* what) {
    if (!status.ok()) Fail(absl::StrCat(what, ": ", status.error_message()));
  }

  v1::CreateTaskRequest Request(const std::string& source, size_t payload_bytes = 0) const {
    v1::CreateTaskRequest request;
    request.set_parent(absl::StrCat("queues/soak-", (step_ + number_) % kQueues));
    request.mutable_task()->mutable_lua()->set_source(source);
    request.mutable_task()->mutable_lua()->set_text(std::string(payload_bytes, 'p'));
    return request;
  }
  std::string CreateOne(const v1::CreateTaskRequest& request) {
    grpc::ClientContext context;
    v1::CreateTaskResponse response;
    Check(tasks_->CreateTask(&context, request, &response), "CreateTask");
    return response.task().name();
  }
  void RunOne(const v1::CreateTaskRequest& create) {
    grpc::ClientContext context;
    v1::RunTaskRequest request;
    *request.mutable_create() = create;
    const auto reader = tasks_->RunTask(&context, request);
    v1::RunTaskResponse response;
    while (reader->Read(&response)) {
    }
    Check(reader->Finish(), "RunTask");
  }

  void RunTrivial() { RunOne(Request("return 1")); }
  void RunTalkative() {
    RunOne(Request("for i = 1, 50 do log.info(('line '):rep(20)) task.progress(i, 50) end"));
  }
  void RunReturning() { RunOne(Request("return ('x'):rep(50000)")); }
  void Create() { CreateOne(Request("return task.payload", 500)); }
  void CreateLarge() { CreateOne(Request("task.sleep(1) return #task.payload", 50'000)); }
  void CreateChild() { CreateOne(Request("return task.submit{lua = {source = 'return 2'}}")); }
  void CreateFailing() {
    v1::CreateTaskRequest request = Request("error('as it should')");
    request.mutable_task()->mutable_retry_policy()->set_max_attempts(2);
    CreateOne(request);
  }
  void CreateKeyed() {
    v1::CreateTaskRequest request = Request("return 1");
    request.mutable_task()->set_ordering_key(absl::StrCat("key-", number_));
    CreateOne(request);
  }
  void SubmitMany() {
    grpc::ClientContext context;
    v1::BatchCreateTasksRequest request;
    request.set_parent("queues/soak-0");
    for (int i = 0; i < 20; ++i) {
      v1::CreateTaskRequest& one = *request.add_requests();
      one = Request("return 1", 100);
      one.set_parent(request.parent());
    }
    v1::BatchCreateTasksResponse response;
    Check(tasks_->BatchCreateTasks(&context, request, &response), "BatchCreateTasks");
  }
  void CancelSleeper() {
    const std::string name = CreateOne(Request("task.sleep(3600)"));
    grpc::ClientContext context;
    v1::CancelTaskRequest request;
    request.set_name(name);
    v1::CancelTaskResponse response;
    Check(tasks_->CancelTask(&context, request, &response), "CancelTask");
  }
  void ListAndDelete() {
    v1::ListTasksRequest list;
    list.set_parent(absl::StrCat("queues/soak-", (step_ + number_) % kQueues));
    list.set_page_size(20);
    v1::ListTasksResponse listed;
    {
      grpc::ClientContext context;
      const grpc::Status status = tasks_->ListTasks(&context, list, &listed);
      if (status.error_code() == grpc::StatusCode::NOT_FOUND) return;  // A queue that holds nothing.
      Check(status, "ListTasks");
    }
    for (const v1::Task& task : listed.tasks()) {
      grpc::ClientContext context;
      v1::DeleteTaskRequest request;
      request.set_name(task.name());
      v1::DeleteTaskResponse response;
      (void)tasks_->DeleteTask(&context, request, &response);  // It may not have ended yet, or be gone.
    }
  }

  const std::string address_;
  const int number_;
  std::unique_ptr<v1::Tasks::Stub> tasks_;
  int64_t step_ = 0;
};

// Reads all events of a queue until it is destroyed.
class Follower {
 public:
  Follower(const std::string& address, const std::string& queue) : stub_(Connect(address)) {
    v1::WatchQueueRequest request;
    request.set_parent(queue);
    thread_ = std::thread([this, request] {
      const auto reader = stub_.WatchQueue(&context_, request);
      v1::WatchQueueResponse response;
      while (reader->Read(&response)) {
      }
      (void)reader->Finish();
    });
  }
  ~Follower() {
    context_.TryCancel();
    thread_.join();
  }

 private:
  v1::Tasks::Stub stub_;
  grpc::ClientContext context_;
  std::thread thread_;
};

// All users at once, each as fast as it is answered, or in step with the clock.
class Load {
 public:
  explicit Load(const std::string& address) {
    for (int i = 0; i < kUsers; ++i) users_.push_back(std::make_unique<User>(address, i));
    for (const auto& user : users_) threads_.emplace_back([this, &user] { Run(*user); });
  }
  ~Load() {
    stop_.store(true);
    for (std::thread& thread : threads_) thread.join();
  }

  int64_t steps() const { return steps_.load(); }
  // Of all together; 0: as fast as may be.
  void SetRate(double steps_per_second) {
    interval_nanos_.store(steps_per_second == 0 ? 0 : static_cast<int64_t>(kUsers * 1e9 / steps_per_second));
  }

 private:
  void Run(User& user) {
    absl::Time next = absl::Now();
    while (!stop_.load()) {
      user.Step();
      ++steps_;
      const absl::Duration interval = absl::Nanoseconds(interval_nanos_.load());
      next =
          std::max(next + interval, absl::Now() - absl::Seconds(1));  // What was missed is not made up for.
      absl::SleepFor(next - absl::Now());
    }
  }

  std::vector<std::unique_ptr<User>> users_;
  std::atomic<bool> stop_{false};
  std::atomic<int64_t> steps_{0};
  std::atomic<int64_t> interval_nanos_{0};
  std::vector<std::thread> threads_;
};

}  // namespace

Table MeasureSoak(const Options& options) {
  Table table;
  table.name = "soak";
  table.title =
      absl::StrCat(kUsers, " clients that use a durable server in all ways, at half of what it can do, for ",
                   options.soak_minutes, " minutes");
  table.columns = {{"minute", "minute"},
                   {"steps_per_second", "calls/s"},
                   {"server_mib", "MiB of the server"},
                   {"most_mib", "at most"},
                   {"ratio", absl::StrCat("ratio to minute ", kFirstMinute), 2}};
  table.notes = {
      "the server: --memory_limit=512MiB; its resident memory: the median of the minute, and the most",
      "--soak_minutes=30 for the whole",
      absl::StrCat("goal: at the end within 10 % of minute ", kFirstMinute)};
  const DiskFolder folder;
  const ServerProcess server(
      ErranddCommand(options, {"--memory_limit=512MiB", absl::StrCat("--data_dir=", folder.path())}));
  const Follower follower(server.address(), "queues/soak-1");
  Load load(server.address());
  absl::SleepFor(kFullLoad);
  load.SetRate(static_cast<double>(load.steps()) / absl::ToDoubleSeconds(kFullLoad) / 2);
  double first = 0;
  for (int minute = 1; minute <= options.soak_minutes; ++minute) {
    const int64_t before = load.steps();
    std::vector<double> samples;
    for (int second = 0; second < 60; ++second) {
      absl::SleepFor(absl::Seconds(1));
      samples.push_back(static_cast<double>(server.ResidentBytes()) / kMiB);
    }
    std::sort(samples.begin(), samples.end());
    const double mib = samples[samples.size() / 2];
    if (minute == kFirstMinute) first = mib;
    table.rows.push_back({double(minute), static_cast<double>(load.steps() - before) / 60, mib,
                          samples.back(), first == 0 ? Cell("") : Cell(mib / first)});
  }
  return table;
}

}  // namespace errand::bench
