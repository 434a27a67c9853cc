// A server whose disk runs full: a small one of its own, which the test fills and frees beside it.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

using grpc::health::v1::HealthCheckResponse;

// Four files of the log, of which the results below take three.
constexpr char kDiskBytes[] = "300m";
constexpr int kTasks = 160;

class DiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "errand-disk-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    if (RunProgram({"unshare", mounts_, "mount", "-t", "tmpfs", "tmpfs", folder_}).exit_code != 0) {
      GTEST_SKIP() << "nothing can be mounted here: " << mounts_ << " of unshare is not permitted";
    }
    // A mount that only the server sees, and whoever looks through its eyes.
    server_ = std::make_unique<ServerProcess>(
        std::vector<std::string>{absl::StrCat("--data_dir=", folder_, "/data"), "--min_free_space=0"}, -1,
        std::vector<std::string>{
            "unshare", mounts_, "sh", "-c",
            absl::StrCat("mount -t tmpfs -o size=", kDiskBytes, " tmpfs \"$0\" && exec \"$@\""), folder_});
  }
  void TearDown() override {
    server_ = nullptr;
    std::filesystem::remove_all(folder_);
  }

  ServerProcess& server() { return *server_; }
  std::string Disk() const { return absl::StrCat("/proc/", server_->pid(), "/root", folder_); }

  void FillDisk() {
    std::ofstream file(Disk() + "/other");
    const std::string zeros(64 << 10, '\0');
    while (file.write(zeros.data(), static_cast<std::streamsize>(zeros.size())).flush()) {
    }
  }
  void FreeDisk() { std::filesystem::remove(Disk() + "/other"); }

  // Calls that take longer than a client's patience fail with DEADLINE_EXCEEDED.
  template <class Stub, class Request, class Response>
  grpc::Status CallSoon(Stub& stub,
                        grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                        const Request& request, Response* response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
    return (stub.*method)(&context, request, response);
  }

  grpc::Status Pause(const std::string& queue) {
    v1::PauseQueueRequest request;
    request.set_name(queue);
    v1::PauseQueueResponse response;
    return CallSoon(server().queues(), &v1::Queues::Stub::PauseQueue, request, &response);
  }
  grpc::Status Resume(const std::string& queue) {
    v1::ResumeQueueRequest request;
    request.set_name(queue);
    v1::ResumeQueueResponse response;
    return CallSoon(server().queues(), &v1::Queues::Stub::ResumeQueue, request, &response);
  }

  HealthCheckResponse::ServingStatus Health(const std::string& service) {
    const auto stub = grpc::health::v1::Health::NewStub(server().NewChannel());
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    HealthCheckResponse response;
    const grpc::Status status = CallSoon(*stub, &grpc::health::v1::Health::Stub::Check, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.status();
  }
  void AwaitHealth(HealthCheckResponse::ServingStatus wanted) {
    const absl::Time end = absl::Now() + absl::Seconds(30);
    while (Health("") != wanted && absl::Now() < end) absl::SleepFor(absl::Milliseconds(50));
    EXPECT_EQ(Health(""), wanted);
  }

 private:
  const std::string mounts_ = geteuid() == 0 ? "-m" : "-rm";
  std::string folder_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_F(DiskTest, AFullOneLeavesCallsAnsweredAndGoesOnByItselfOnceThereIsSpace) {
  std::vector<std::string> names;
  ASSERT_TRUE(Pause("queues/large").ok());
  v1::CreateTaskRequest large = LuaRequest("return ('x'):rep(900 * 1024)");
  large.set_parent("queues/large");
  for (int i = 0; i < kTasks; ++i) {
    v1::Task task;
    const grpc::Status created = Create(server().tasks(), large, &task);
    ASSERT_TRUE(created.ok()) << created.error_message();
    names.push_back(task.name());
  }
  FillDisk();
  ASSERT_TRUE(Resume("queues/large").ok());
  // What runs has its results written until nothing can be any more.
  grpc::Status changed;
  for (const absl::Time end = absl::Now() + absl::Minutes(2); changed.ok() && absl::Now() < end;) {
    changed = Pause("queues/other");
    if (changed.ok()) changed = Resume("queues/other");
  }
  ASSERT_EQ(changed.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << changed.error_message();
  EXPECT_EQ(ReasonOf(changed), "DISK_FULL");

  v1::CreateTaskResponse created;
  EXPECT_EQ(ReasonOf(CallSoon(server().tasks(), &v1::Tasks::Stub::CreateTask, large, &created)), "DISK_FULL");
  v1::CancelTaskRequest cancel;
  cancel.set_name(names.back());
  v1::CancelTaskResponse cancelled;
  EXPECT_EQ(ReasonOf(CallSoon(server().tasks(), &v1::Tasks::Stub::CancelTask, cancel, &cancelled)),
            "DISK_FULL");
  v1::GetTaskRequest get;
  for (const std::string& name : names) {
    get.set_name(name);
    v1::GetTaskResponse got;
    const grpc::Status status = CallSoon(server().tasks(), &v1::Tasks::Stub::GetTask, get, &got);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(got.task().name(), name);
  }
  v1::ListTasksRequest list;
  list.set_parent("queues/large");
  v1::ListTasksResponse listed;
  const grpc::Status read = CallSoon(server().tasks(), &v1::Tasks::Stub::ListTasks, list, &listed);
  EXPECT_TRUE(read.ok()) << read.error_message();
  EXPECT_GT(listed.tasks_size(), 0);
  AwaitHealth(HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Health("errand.v1.Tasks"), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Health("readiness"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Health("liveness"), HealthCheckResponse::SERVING);

  FreeDisk();
  AwaitHealth(HealthCheckResponse::SERVING);
  for (const std::string& name : names) {
    v1::Task task;
    ASSERT_TRUE(Wait(server().tasks(), name, 60'000, &task).ok());
    EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED) << task.error().message();
    EXPECT_EQ(task.attempt_count(), 1) << name;
  }
}

}  // namespace
}  // namespace errand
