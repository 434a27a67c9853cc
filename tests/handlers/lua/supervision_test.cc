// How the handler treats its processes.

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "tests/handlers/lua/lua_runner.h"
#include "tests/paths/paths.h"

namespace errand::handlers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

size_t OpenDescriptors() {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    count += entry.exists() || entry.is_symlink() ? 1 : 0;
  }
  return count;
}

using SupervisionTest = LuaTest;

TEST_F(SupervisionTest, KilledProcessFailsItsAttemptAndTheNextOneWorks) {
  UseHandler(1, 0);
  const auto run = Start("task.progress(1) while true do end");
  run->WaitForEvents(1);
  ASSERT_EQ(SandboxPids().size(), 1u);
  kill(SandboxPids()[0], SIGKILL);
  EXPECT_EQ(Reason(run->Wait().status), "SANDBOX_DIED");
  EXPECT_THAT(std::string(run->Wait().status.message()), HasSubstr("was killed by SIGKILL"));
  EXPECT_EQ(Result("return 1"), "1");
}

TEST_F(SupervisionTest, IdleProcessThatDiesIsReplaced) {
  UseHandler(1, 1);
  EXPECT_EQ(Result("return 1"), "1");
  for (int i = 0; i < 3; ++i) {
    const std::vector<int> pids = SandboxPids();
    for (const int pid : pids) kill(pid, SIGKILL);
    // Each may be given one task before its death is noticed.
    size_t failures = 0;
    for (auto run = Run("return 1"); !run->Wait().status.ok(); run = Run("return 1")) {
      EXPECT_EQ(Reason(run->Wait().status), "SANDBOX_DIED");
      ASSERT_LE(++failures, pids.size());
    }
  }
}

TEST_F(SupervisionTest, StopEndsAnAttempt) {
  const auto run =
      Start("task.progress(1) while true do pcall(function() while true do end end) end", {}, 42);
  run->WaitForEvents(1);
  handler().Stop(41);
  EXPECT_FALSE(run->over());
  handler().Stop(42);
  EXPECT_EQ(Reason(run->Wait().status), "CANCELLED");
  handler().Stop(42);
  EXPECT_EQ(Result("return 1"), "1");
}

TEST_F(SupervisionTest, StopReachesASleepingAttempt) {
  const auto run = Start("task.progress(1) task.sleep(1000)", {}, 42);
  run->WaitForEvents(1);
  handler().Stop(42);
  EXPECT_EQ(Reason(run->Wait().status), "CANCELLED");
}

TEST_F(SupervisionTest, UsageOfAKilledAttemptIsKnown) {
  const auto run = Start("print('12345') task.progress(1) local x = 0 while true do x = x + 1 end", {}, 42);
  run->WaitForEvents(2);
  handler().Stop(42);
  EXPECT_GT(run->Wait().usage.peak_memory_bytes(), 0);
  EXPECT_GT(run->Wait().usage.cpu_time().nanos(), 0);
  EXPECT_EQ(run->Wait().usage.output_bytes(), 6);
}

// The one that is stopped ends, and the next one begins, just before its process is killed.
TEST_F(SupervisionTest, AProcessKilledForOneAttemptIsNotTheFaultOfTheNext) {
  UseHandler(1, 0);
  EXPECT_EQ(Result("return 1"), "1");
  const pid_t pid = SandboxPids().at(0);
  clockid_t clock;
  ASSERT_EQ(clock_getcpuclockid(pid, &clock), 0);
  kill(pid, SIGSTOP);
  const auto runs = StartTogether(
      {"return 1", "print('once') local start = os.clock() while os.clock() - start < 0.2 do end return 2"});
  handler().Stop(1);
  absl::Notification passed;
  loop().Post([&] {
    const auto used = [clock] {
      timespec time{};
      clock_gettime(clock, &time);
      return absl::DurationFromTimespec(time);
    };
    kill(pid, SIGCONT);
    const absl::Duration grace_over = LuaAttempt::MonotonicNow() + LuaHandler::kGrace;
    const absl::Duration begun = used() + absl::Milliseconds(50);
    // On a busy machine it may have been killed already.
    while (LuaAttempt::MonotonicNow() < grace_over ||
           (used() < begun && absl::c_linear_search(SandboxPids(), pid))) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    passed.Notify();
  });
  EXPECT_TRUE(passed.WaitForNotificationWithTimeout(absl::Seconds(60)));
  EXPECT_EQ(Reason(runs[0]->Wait().status), "CANCELLED");
  EXPECT_TRUE(runs[1]->Wait().status.ok()) << runs[1]->Wait().status;
  EXPECT_EQ(runs[1]->Wait().result.data(), "2");
  EXPECT_THAT(runs[1]->events(), ElementsAre("out once\n"));
}

TEST_F(SupervisionTest, AnAttemptThatIsStoppedBeforeItsTurnLeavesTheProcessToOthers) {
  UseHandler(1, 0);
  EXPECT_EQ(Result("return 1"), "1");
  const pid_t pid = SandboxPids().at(0);
  kill(pid, SIGSTOP);
  const auto runs = StartTogether({"return 1", "return 2", "return 3"});
  handler().Stop(2);
  absl::SleepFor(4 * LuaHandler::kGrace);
  kill(pid, SIGCONT);
  EXPECT_EQ(runs[0]->Wait().result.data(), "1");
  EXPECT_EQ(Reason(runs[1]->Wait().status), "CANCELLED");
  EXPECT_EQ(runs[2]->Wait().result.data(), "3");
  EXPECT_THAT(SandboxPids(), ElementsAre(pid));
}

TEST_F(SupervisionTest, AllWorkersRunAtOnce) {
  UseHandler(3, 0);
  EXPECT_GE(handler().GetRoom().tasks, 3);
  std::vector<std::shared_ptr<Recording>> runs;
  for (AttemptId id = 1; id <= 3; ++id) runs.push_back(Start("task.progress(1) while true do end", {}, id));
  for (const auto& run : runs) run->WaitForEvents(1);
  for (AttemptId id = 1; id <= 3; ++id) handler().Stop(id);
  for (const auto& run : runs) EXPECT_EQ(Reason(run->Wait().status), "CANCELLED");
}

TEST_F(SupervisionTest, AThousandQuickTasks) {
  UseHandler(2, 1);
  for (int i = 0; i < 500; ++i) {
    const auto first = Start(absl::StrCat("return ", i));
    const auto second = Start(absl::StrCat("print(", i, ")"));
    EXPECT_EQ(first->Wait().result.data(), absl::StrCat(i));
    EXPECT_TRUE(second->Wait().status.ok());
    ASSERT_EQ(second->events().size(), 1u);
  }
  EXPECT_EQ(SandboxPids().size(), 3u);
}

TEST_F(SupervisionTest, HandlerDestroyedWhileRunningEndsItsAttempts) {
  UseHandler(2, 1);
  const auto running = Start("task.progress(1) while true do end");
  const auto sleeping = Start("task.progress(1) task.sleep(100)");
  running->WaitForEvents(1);
  sleeping->WaitForEvents(1);
  DestroyHandler();
  ASSERT_TRUE(running->over());
  ASSERT_TRUE(sleeping->over());
  EXPECT_EQ(Reason(running->Wait().status), "CANCELLED");
  EXPECT_EQ(Reason(sleeping->Wait().status), "CANCELLED");
  EXPECT_THAT(SandboxPids(), IsEmpty());
}

TEST_F(SupervisionTest, NoDescriptorLeaks) {
  UseHandler(1, 0);
  DestroyHandler();
  const size_t before = OpenDescriptors();
  UseHandler(1, 1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Reason(Run("while true do print('x') end")->Wait().status), "OUTPUT_EXCEEDED");
  }
  DestroyHandler();
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST_F(SupervisionTest, SandboxHoldsNothingOfTheServer) {
  UseHandler(1, 0);
  EXPECT_EQ(Result("return 1"), "1");
  ASSERT_EQ(SandboxPids().size(), 1u);
  const std::string process = absl::StrCat("/proc/", SandboxPids()[0]);
  std::ifstream status(process + "/status");
  const std::string text{std::istreambuf_iterator<char>(status), {}};
  EXPECT_THAT(text, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(text, HasSubstr("Seccomp:\t2"));
  // Only a privileged reader sees what a process that cannot be dumped has.
  std::error_code error;
  size_t descriptors = 0;
  for (const auto& fd : std::filesystem::directory_iterator(process + "/fd", error)) {
    EXPECT_LE(std::stoi(fd.path().filename()), 3);
    ++descriptors;
  }
  if (!error) {
    EXPECT_EQ(descriptors, 4u);
  }
  std::ifstream environment(process + "/environ");
  const std::string variables{std::istreambuf_iterator<char>(environment), {}};
  EXPECT_EQ(variables, "");
}

TEST_F(SupervisionTest, AttemptsFailClearlyWhileNoProcessCanBeStarted) {
  namespace fs = std::filesystem;
  const fs::path program = fs::path(testing::TempDir()) / absl::StrCat("errand-sandbox-", getpid());
  const fs::path away = program.string() + "-away";
  fs::copy_file(kErrandSandboxPath, program, fs::copy_options::overwrite_existing);
  UseHandler(1, 0, program);
  EXPECT_EQ(Result("return 1"), "1");
  fs::rename(program, away);
  for (const pid_t pid : ZygotePids()) kill(pid, SIGKILL);
  for (const pid_t pid : SandboxPids()) kill(pid, SIGKILL);
  // It may be given to the process that died, or wait until there is no hope.
  const auto first = Run("return 1");
  EXPECT_EQ(Reason(first->Wait().status), "SANDBOX_DIED");
  const auto second = Run("return 1");
  EXPECT_EQ(Reason(second->Wait().status), "SANDBOX_DIED");
  EXPECT_THAT(std::string(second->Wait().status.message()), HasSubstr("no sandbox process can be started"));
  fs::rename(away, program);
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (!Run("return 1")->Wait().status.ok()) ASSERT_LT(absl::Now(), deadline);
  fs::remove(program);
}

TEST(ZygoteStart, SaysThatTheProgramIsMissing) {
  io::Loop loop;
  const auto zygote = Zygote::Start("/nonexistent/errand-sandbox", &loop);
  EXPECT_EQ(zygote.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(zygote.status().message()), HasSubstr("/nonexistent/errand-sandbox"));
}

TEST(ZygoteStart, SaysThatTheProgramIsNoSandbox) {
  io::Loop loop;
  const auto zygote = Zygote::Start("/bin/false", &loop);
  EXPECT_EQ(zygote.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(zygote.status().message()), HasSubstr("'/bin/false' exited with status 1"));
}

TEST(LuaHandlerCreate, RefusesNonsense) {
  io::Loop loop;
  const auto zygote = Zygote::Start(kErrandSandboxPath, &loop);
  ASSERT_TRUE(zygote.ok());
  EXPECT_FALSE(LuaHandler::Create({.workers = 0}, zygote->get()).ok());
}

}  // namespace
}  // namespace errand::handlers
