#include "server/handlers/lua/source_checker.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "tests/handlers/lua/lua_runner.h"

namespace errand::handlers {
namespace {

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
    if (zygote_ == nullptr) zygote_ = *Zygote::Start(ERRAND_SANDBOX, &loop_);
    return zygote_.get();
  }

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

TEST_F(SourceCheckerTest, SyntaxErrorNamesFieldAndLine) {
  SourceChecker checker(zygote());
  // A machine under load may miss the quarter of a second: then the answer is OK.
  absl::Status status;
  for (int i = 0; i < 50 && status.ok(); ++i) status = Check(checker, "local a\nlocal = 1");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Reason(status), "INVALID_FIELD");
  EXPECT_THAT(std::string(status.message()), StartsWith("task.lua.source: script:2: "));
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

TEST_F(SourceCheckerTest, SurvivesTheDeathOfItsProcess) {
  SourceChecker checker(zygote());
  EXPECT_TRUE(Check(checker, "return 1").ok());
  for (const int pid : SandboxPids()) kill(pid, SIGKILL);
  EXPECT_TRUE(Check(checker, "return 2").ok());
  absl::Status status;
  for (int i = 0; i < 50 && status.ok(); ++i) status = Check(checker, "return return");
  EXPECT_THAT(std::string(status.message()), HasSubstr("script:1: "));
}

TEST_F(SourceCheckerTest, ProcessThatDoesNotAnswerIsReplaced) {
  SourceChecker checker(zygote());
  EXPECT_TRUE(Check(checker, "return 1").ok());
  for (const int pid : SandboxPids()) kill(pid, SIGSTOP);
  EXPECT_TRUE(Check(checker, "return return").ok());
  absl::Status status;
  for (int i = 0; i < 50 && status.ok(); ++i) status = Check(checker, "return return");
  EXPECT_FALSE(status.ok());
}

TEST_F(SourceCheckerTest, EverythingIsGoodWithoutASandbox) {
  namespace fs = std::filesystem;
  const fs::path program =
      fs::path(testing::TempDir()) / ("errand-sandbox-checker-" + std::to_string(getpid()));
  fs::copy_file(ERRAND_SANDBOX, program, fs::copy_options::overwrite_existing);
  zygote_ = *Zygote::Start(program, &loop_);
  SourceChecker checker(zygote());
  fs::remove(program);
  for (const int pid : ZygotePids()) kill(pid, SIGKILL);
  for (const int pid : SandboxPids()) kill(pid, SIGKILL);
  EXPECT_TRUE(Check(checker, "return return").ok());
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
  EXPECT_THAT(SandboxPids(), IsEmpty());
}

}  // namespace
}  // namespace errand::handlers
