// Hostile scripts of one queue, and tasks of another.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/isolation/canary.h"
#include "tests/isolation/server_figures.h"
#include "tests/processes/children.h"

namespace errand {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr int64_t kMiB = int64_t{1} << 20;
constexpr int64_t kServerMiB = 512;
constexpr int64_t kScriptsMiB = 384;
constexpr char kCrowd[] = "queues/crowd";

// How many times as much as in a short test: ERRAND_CROWD=10 makes ten thousand endless scripts.
int Crowd(int count) {
  const char* const factor = std::getenv("ERRAND_CROWD");
  int times = 1;
  return factor != nullptr && absl::SimpleAtoi(factor, &times) ? count * times : count;
}

int64_t BytesOfWorkers(const ServerProcess& server) {
  int64_t bytes = 0;
  for (const pid_t pid : ChildrenNamed("errand-worker", server.pid())) bytes += PrivateBytes(pid);
  return bytes;
}

// Beside `count` tasks of `source` in a queue of their own the canary's run, and nothing takes more memory
// than it may; when they are gone nothing of them is left.
void HoldOutAgainst(const std::string& name, const std::string& source, int count,
                    absl::Duration duration = absl::Seconds(3)) {
  ServerProcess server({"--lua_workers=2", absl::StrCat("--memory_limit=", kServerMiB, "MiB"),
                        absl::StrCat("--lua_memory_limit=", kScriptsMiB, "MiB")});
  {
    Canary alone(server, Canary::Work::kRuns);
    absl::SleepFor(absl::Seconds(1));  // For its figures.
    alone.Finish(absl::StrCat(name, ", before"));
  }
  int64_t most_of_server = 0;
  int64_t most_of_workers = 0;
  {
    Canary canary(server, Canary::Work::kRuns);
    std::vector<std::string> crowd;
    const auto look = [&] {
      most_of_server = std::max(most_of_server, ResidentBytes(server.pid()));
      most_of_workers = std::max(most_of_workers, BytesOfWorkers(server));
    };
    v1::CreateTaskRequest request = LuaRequest(source);
    request.set_parent(kCrowd);
    request.mutable_task()->mutable_run_timeout()->set_seconds(3600);
    for (int i = 0; i < count; ++i) {
      v1::Task task;
      const grpc::Status created = Create(server.tasks(), request, &task);
      ASSERT_TRUE(created.ok() || created.error_code() == grpc::StatusCode::RESOURCE_EXHAUSTED)
          << created.error_message();
      if (created.ok()) crowd.push_back(task.name());
      if (i % 100 == 0) look();
    }
    for (const absl::Time end = absl::Now() + duration; absl::Now() < end;) {
      look();
      absl::SleepFor(absl::Milliseconds(10));
    }
    for (const std::string& task : crowd) Cancel(server.tasks(), task);
    canary.Finish(name);
  }
  std::printf("%s: errandd at most %ld MiB, workers %ld MiB\n", name.c_str(), most_of_server / kMiB,
              most_of_workers / kMiB);
  EXPECT_LT(most_of_server, kServerMiB * kMiB);
  EXPECT_LT(most_of_workers, kScriptsMiB * kMiB);
  // Two, and a spare, and one that compiles what is submitted and one what is registered.
  const absl::Time deadline = absl::Now() + kPatience;
  while (ChildrenNamed("errand-worker", server.pid()).size() > 5) {
    ASSERT_LT(absl::Now(), deadline) << "processes are left over";
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_LT(BytesOfWorkers(server), 64 * kMiB);
}

TEST(Scripts, EndlessOnesLeaveOthersTheirTurns) {
  HoldOutAgainst("endless", "while true do end", Crowd(1000));
}

TEST(Scripts, OnesThatCannotGiveWayLeaveOthersTheirTurns) {
  HoldOutAgainst("in C", "table.sort({3, 2, 1}, function() while true do end end)", Crowd(200));
}

TEST(Scripts, LargeSleepersLeaveOthersProcessesAndMemory) {
  HoldOutAgainst("large sleepers",
                 "local t = {} for i = 1, 100000 do t[i] = math.random() end local s = ('x'):rep(2 << 20) "
                 "task.sleep(3600) return #s + #t",
                 Crowd(60));
}

TEST(Scripts, ParkedOnesLeaveOthersMemory) {
  HoldOutAgainst(
      "parked",
      "local s = {} for i = 1, 10000 do s[i] = string.pack('<dddddddd', math.random(), math.random(), "
      "math.random(), math.random(), math.random(), math.random(), math.random(), math.random()) end "
      "task.sleep(3600)",
      Crowd(400));
}

TEST(Scripts, OnesThatTakeAllTheirMemoryLeaveOthersSome) {
  HoldOutAgainst("memory", "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end", Crowd(500));
}

TEST(Scripts, OnesThatCrashTheirProcessesLeaveOthersTheirs) {
  HoldOutAgainst(
      "crashes",
      "local co = coroutine.wrap(function() local t = setmetatable({}, {__close = function() end}) "
      "local function deep() local c <close> = t return deep() + 1 end return deep() end) co()",
      Crowd(500));
}

TEST(Scripts, OnesThatPrintAllTheyMayLeaveOthersMemory) {
  HoldOutAgainst("output", "while true do print(('x'):rep(1000)) end", Crowd(500));
}

TEST(Scripts, OnesThatSubmitThemselvesTwiceLeaveOthersTheirTurns) {
  HoldOutAgainst(
      "multiplying",
      "for i = 1, 2 do task.submit{lua = {source = 'for i = 1, 2 do pcall(task.submit, {lua = {source "
      "= \"task.sleep(1)\"}}) end'}} end",
      Crowd(500));
}

}  // namespace
}  // namespace errand
