#include "tests/isolation/canary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/end_to_end/calls.h"

namespace errand {
namespace {

constexpr int kCallsAConnection = 5;
constexpr int kLeastConnections = 5;
constexpr absl::Duration kPause = absl::Milliseconds(5);

double Millis(std::vector<absl::Duration>& latencies, double part) {
  if (latencies.empty()) return 0;
  std::sort(latencies.begin(), latencies.end());
  const auto place = static_cast<size_t>(static_cast<double>(latencies.size() - 1) * part);
  return absl::ToDoubleMilliseconds(latencies[place]);
}

}  // namespace

Canary::Canary(const ServerProcess& server, Work work)
    : server_(server), work_(work), standing_(server.NewChannel()) {
  EXPECT_TRUE(standing_->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(60)));
  thread_ = std::thread([this] { Run(); });
}

Canary::~Canary() {
  stop_.store(true);
  if (thread_.joinable()) thread_.join();
}

std::string Canary::Ask(v1::Tasks::Stub& tasks) {
  v1::CreateTaskRequest request = LuaRequest("return 1");
  request.set_parent("queues/canary");
  if (work_ == Work::kRuns) {
    const Ran ran = RunToEnd(tasks, request);
    if (!ran.status.ok()) return absl::StrCat("RunTask: ", ran.status.error_message());
    return ran.end.result().data() == "1" ? "" : absl::StrCat("wrong end: ", ran.end.ShortDebugString());
  }
  v1::Task created;
  grpc::Status status = Create(tasks, request, &created);
  if (!status.ok()) return absl::StrCat("CreateTask: ", status.error_code(), " ", status.error_message());
  v1::Task found;
  status = Get(tasks, created.name(), &found);
  if (!status.ok()) return absl::StrCat("GetTask: ", status.error_code(), " ", status.error_message());
  return found.name() == created.name() ? "" : absl::StrCat("another task: ", found.name());
}

void Canary::Run() {
  const auto standing = v1::Tasks::NewStub(standing_);
  for (int i = 0; !stop_.load(); ++i) {
    const absl::Time start = absl::Now();
    const bool is_new = i % kCallsAConnection == kCallsAConnection - 1;
    const std::string failure = Ask(is_new ? *v1::Tasks::NewStub(server_.NewChannel()) : *standing);
    (is_new ? new_latencies_ : latencies_).push_back(absl::Now() - start);
    if (is_new) {
      ++connections_;
      connections_.notify_all();
    }
    if (!failure.empty()) failures_.push_back(absl::StrCat(is_new ? "new connection: " : "", failure));
    absl::SleepFor(kPause);
  }
}

void Canary::Finish(const std::string& name) {
  for (int made = 0; (made = connections_.load()) < kLeastConnections;) connections_.wait(made);
  stop_.store(true);
  thread_.join();
  EXPECT_TRUE(failures_.empty()) << failures_.size() << " times, first: " << failures_[0];
  std::printf(
      "%s: canary p50 %.1f ms, p99 %.1f ms, max %.1f ms (%zu); new connections p50 %.1f ms, max %.1f ms "
      "(%zu)\n",
      name.c_str(), Millis(latencies_, 0.5), Millis(latencies_, 0.99), Millis(latencies_, 1),
      latencies_.size(), Millis(new_latencies_, 0.5), Millis(new_latencies_, 1), new_latencies_.size());
}

}  // namespace errand
