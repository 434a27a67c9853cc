#include "server/handlers/lua/source_checker.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "absl/time/clock.h"
#include "tests/handlers/lua/lua_runner.h"
#include "tests/paths/paths.h"

namespace errand::handlers {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class SourceCheckerTest : public LuaTest {
 protected:
  absl::Status Check(SourceChecker& checker, const std::string& source) {
    absl::Notification done;
    absl::Status answer;
    checker.Check("task.lua.source", source, [&](absl::Status status) {
      answer = std::move(status);
      done.Notify();
    });
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(60)));
    return answer;
  }

  Zygote* zygote() {
    if (zygote_ == nullptr) zygote_ = *Zygote::Start(kErrandSandboxPath, &loop_);
    return zygote_.get();
  }

  absl::StatusOr<SourceChecker::Problems> Compile(SourceChecker& checker, const std::string& source) {
    absl::Notification done;
    absl::StatusOr<SourceChecker::Problems> answer;
    checker.Compile(source, [&](absl::StatusOr<SourceChecker::Problems> problems) {
      answer = std::move(problems);
      done.Notify();
    });
    EXPECT_TRUE(done.WaitForNotificationWithTimeout(absl::Seconds(60)));
    return answer;
  }

  // A zygote that has died and cannot be started again.
  Zygote* OneThatIsGone() {
    namespace fs = std::filesystem;
    const fs::path program =
        fs::path(testing::TempDir()) / ("errand-sandbox-checker-" + std::to_string(getpid()));
    fs::copy_file(kErrandSandboxPath, program, fs::copy_options::overwrite_existing);
    zygote_ = *Zygote::Start(program, &loop_);
    fs::remove(program);
    for (const pid_t pid : ZygotePids()) kill(pid, SIGKILL);
    return zygote_.get();
  }

  // Longer than any machine is under load.
  static constexpr absl::Duration kPatient = absl::Seconds(50);
  io::Loop loop_;
  std::unique_ptr<Zygote> zygote_;
};

TEST_F(SourceCheckerTest, GoodSourceIsGoodAgainAtOnce) {
  SourceChecker checker(zygote());
  EXPECT_TRUE(Check(checker, "return 1").ok());
  bool answered = false;
  checker.Check("task.lua.source", "return 1", [&](absl::Status status) { answered = status.ok(); });
  EXPECT_TRUE(answered);
}

TEST_F(SourceCheckerTest, SyntaxErrorNamesFieldLineAndColumn) {
  SourceChecker checker(zygote());
  // A machine under load may miss the quarter of a second: then the answer is OK.
  absl::Status status;
  for (int i = 0; i < 50 && status.ok(); ++i) status = Check(checker, "local a\nlocal = 1");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(status), "LUA_SYNTAX_ERROR");
  EXPECT_THAT(std::string(status.message()), StartsWith("task.lua.source: line 2, column 7: "));
}

TEST_F(SourceCheckerTest, ManyAtOnceAreAllAnswered) {
  SourceChecker checker(zygote());
  constexpr int kSources = 1000;
  absl::Mutex mu;
  int answered = 0;
  for (int i = 0; i < kSources; ++i) {
    checker.Check("f", "return " + std::to_string(i), [&](absl::Status status) {
      EXPECT_TRUE(status.ok());
      absl::MutexLock lock(&mu);
      ++answered;
    });
  }
  absl::MutexLock lock(&mu);
  const auto all = [&] { return answered == kSources; };
  EXPECT_TRUE(mu.AwaitWithTimeout(absl::Condition(&all), absl::Seconds(60)));
}

TEST_F(SourceCheckerTest, AShortSourceDoesNotWaitForAllTheLongOnes) {
  SourceChecker checker(zygote(), kPatient);
  EXPECT_TRUE(Check(checker, "return 1").ok());
  for (const pid_t pid : SandboxPids()) kill(pid, SIGSTOP);
  absl::Mutex mu;
  std::vector<std::string> order;
  const auto check = [&](const std::string& name, const std::string& source) {
    checker.Check("f", source, [&, name](const absl::Status&) {
      absl::MutexLock lock(&mu);
      order.push_back(name);
    });
  };
  const std::string filling(100'000, ' ');
  for (const std::string name : {"long 1", "long 2", "long 3"})
    check(name, filling + "return '" + name + "'");
  check("short 1", "return 2");
  check("short 2", "return 3");
  for (const pid_t pid : SandboxPids()) kill(pid, SIGCONT);
  absl::MutexLock lock(&mu);
  const auto all = [&] { return order.size() == 5; };
  EXPECT_TRUE(mu.AwaitWithTimeout(absl::Condition(&all), absl::Seconds(60)));
  EXPECT_THAT(order, ElementsAre("long 1", "short 1", "short 2", "long 2", "long 3"));
}

TEST_F(SourceCheckerTest, SurvivesTheDeathOfItsProcess) {
  SourceChecker checker(zygote());
  EXPECT_TRUE(Check(checker, "return 1").ok());
  for (const pid_t pid : SandboxPids()) kill(pid, SIGKILL);
  EXPECT_TRUE(Check(checker, "return 2").ok());
  absl::Status status;
  for (int i = 0; i < 50 && status.ok(); ++i) status = Check(checker, "return return");
  EXPECT_THAT(std::string(status.message()), HasSubstr("line 1"));
}

TEST_F(SourceCheckerTest, ProcessThatDoesNotAnswerIsReplaced) {
  SourceChecker checker(zygote());
  EXPECT_TRUE(Check(checker, "return 1").ok());
  for (const pid_t pid : SandboxPids()) kill(pid, SIGSTOP);
  EXPECT_TRUE(Check(checker, "return return").ok());
  absl::Status status;
  for (int i = 0; i < 50 && status.ok(); ++i) status = Check(checker, "return return");
  EXPECT_FALSE(status.ok());
}

TEST_F(SourceCheckerTest, EverythingIsGoodWithoutASandbox) {
  SourceChecker checker(OneThatIsGone());
  EXPECT_TRUE(Check(checker, "return return").ok());
}

TEST_F(SourceCheckerTest, ACompiledSourceHasNoProblemsOrOneWithItsLine) {
  SourceChecker checker(zygote(), kPatient);
  const auto good = Compile(checker, "return 1");
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_THAT(*good, IsEmpty());
  const auto bad = Compile(checker, "local a\nlocal = 1");
  ASSERT_TRUE(bad.ok()) << bad.status();
  ASSERT_EQ(bad->size(), 1u);
  EXPECT_EQ(bad->front().line, 2);
  EXPECT_EQ(bad->front().column, 7);
  EXPECT_THAT(bad->front().message, StartsWith("<name> expected"));
}

TEST_F(SourceCheckerTest, ASourceThatIsNotCompiledDoesNotCountAsGood) {
  SourceChecker checker(OneThatIsGone());
  const absl::Status status = Compile(checker, "return 1").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_TRUE(status.GetPayload("type.googleapis.com/google.rpc.RetryInfo").has_value());
}

TEST_F(SourceCheckerTest, ACompilerThatDoesNotAnswerIsReplaced) {
  SourceChecker checker(zygote(), absl::Seconds(2));
  absl::Status status = Compile(checker, "return 1").status();
  for (int i = 0; i < 20 && !status.ok(); ++i) status = Compile(checker, "return 1").status();
  ASSERT_TRUE(status.ok()) << status;
  for (const pid_t pid : SandboxPids()) kill(pid, SIGSTOP);
  status = Compile(checker, "return 1").status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  for (int i = 0; i < 20 && !status.ok(); ++i) status = Compile(checker, "return 1").status();
  EXPECT_TRUE(status.ok()) << status;
}

TEST_F(SourceCheckerTest, DestroyedWhileBusyAnswersAll) {
  int answered = 0;
  {
    SourceChecker checker(zygote());
    for (int i = 0; i < 100; ++i) {
      checker.Check("f", "return " + std::to_string(i), [&](absl::Status) { ++answered; });
    }
  }
  EXPECT_EQ(answered, 100);
  // One may still be on its way from the zygote, to be ended when it comes.
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (!SandboxPids().empty()) ASSERT_LT(absl::Now(), deadline);
}

}  // namespace
}  // namespace errand::handlers
