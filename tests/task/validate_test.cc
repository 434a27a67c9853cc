#include "server/task/validate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "server/task/duration.h"

namespace errand::task {
namespace {

using ::testing::StartsWith;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

v1::Task ATask() {
  v1::Task task;
  task.mutable_lua()->set_source("return 1");
  return task;
}

void ExpectValid(const v1::Task& task) {
  const absl::Status status = ValidateTask(task, "task", kNow);
  EXPECT_TRUE(status.ok()) << status;
}

void ExpectInvalid(const v1::Task& task, const std::string& message) {
  const absl::Status status = ValidateTask(task, "task", kNow);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), StartsWith(message));
}

TEST(Validate, AnOrderingKeyMayBe256Bytes) {
  v1::Task task = ATask();
  task.set_ordering_key(std::string(256, 'k'));
  ExpectValid(task);
  task.set_ordering_key(std::string(257, 'k'));
  ExpectInvalid(task, "task.ordering_key: must be at most 256 bytes, not 257");
}

TEST(Validate, AScriptIsNamedInPlaceOfASource) {
  v1::Task task;
  task.mutable_lua()->set_script("scripts/report");
  ExpectValid(task);
  task.mutable_lua()->set_script("report");
  ExpectInvalid(task, "task.lua.script: must be scripts/{script}");
  task.mutable_lua()->set_script("scripts/report");
  task.mutable_lua()->set_text(std::string((1 << 20) + 1, ' '));
  ExpectInvalid(task, "task.lua.text: must be at most");
}

TEST(Validate, ASourceIsTextOf1ByteTo1MiB) {
  EXPECT_TRUE(ValidateSource(std::string(1 << 20, ' '), "source").ok());
  for (const std::string& source : {std::string(), std::string((1 << 20) + 1, ' '), std::string("\x1bLua")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ValidateSource(source, "source")));
  }
}

TEST(Validate, AnExpireTimeLiesInTheFutureAndAfterTheScheduleTime) {
  v1::Task task = ATask();
  *task.mutable_expire_time() = ToProto(kNow + absl::Nanoseconds(1));
  ExpectValid(task);
  *task.mutable_expire_time() = ToProto(kNow);
  ExpectInvalid(task, "task.expire_time: must be in the future");
  *task.mutable_schedule_time() = ToProto(kNow + absl::Hours(1));
  *task.mutable_expire_time() = ToProto(kNow + absl::Hours(1));
  ExpectInvalid(task, "task.expire_time: must be after schedule_time");
  *task.mutable_expire_time() = ToProto(kNow + absl::Hours(2));
  ExpectValid(task);
  task.mutable_expire_time()->set_nanos(-1);
  ExpectInvalid(task, "task.expire_time: must be a valid time");
  task.mutable_expire_time()->set_nanos(0);
  task.mutable_expire_time()->set_seconds(253402300800);
  ExpectInvalid(task, "task.expire_time: must be a valid time");
}

TEST(Validate, ATtlIsMoreThanZeroAndAtMost366Days) {
  v1::Task task = ATask();
  task.mutable_ttl()->set_nanos(1);
  ExpectValid(task);
  *task.mutable_ttl() = ToProto(absl::Hours(366 * 24));
  ExpectValid(task);
  *task.mutable_ttl() = ToProto(absl::Hours(366 * 24) + absl::Nanoseconds(1));
  ExpectInvalid(task, "task.ttl: must be more than zero and at most");
  task.mutable_ttl()->Clear();
  ExpectInvalid(task, "task.ttl: must be more than zero");
  *task.mutable_ttl() = ToProto(absl::Minutes(1));
  *task.mutable_schedule_time() = ToProto(kNow + absl::Hours(1));
  ExpectInvalid(task, "task.ttl: must reach beyond schedule_time");
}

TEST(Validate, RetryPolicyAndLimitsAreNamedFromTheTask) {
  v1::Task task = ATask();
  task.mutable_retry_policy()->set_max_attempts(101);
  ExpectInvalid(task, "task.retry_policy.max_attempts: must be 1 to 100, not 101");
  for (const double wrong : {-0.1, 1.1, std::nan("")}) {
    task = ATask();
    task.mutable_retry_policy()->set_jitter(wrong);
    ExpectInvalid(task, "task.retry_policy.jitter: must be 0 to 1");
  }
  task = ATask();
  task.mutable_limits()->mutable_cpu_time();
  ExpectInvalid(task, "task.limits.cpu_time: must be ");
}

TEST(Validate, DefaultsFillWhatIsUnset) {
  v1::Task task = ATask();
  task.mutable_limits()->set_output_bytes(5);
  FillDefaults(task);
  EXPECT_EQ(task.run_timeout().seconds(), 30);
  EXPECT_EQ(task.limits().memory_bytes(), 64 << 20);
  EXPECT_EQ(task.limits().output_bytes(), 5);
}

TEST(Validate, MailHasDefaultsOfItsOwn) {
  v1::Task task;
  task.mutable_email();
  FillDefaults(task);
  EXPECT_EQ(task.run_timeout().seconds(), 900);
  EXPECT_EQ(task.retry_policy().max_attempts(), 54);
  v1::Task told;
  told.mutable_email();
  told.mutable_run_timeout()->set_seconds(5);
  told.mutable_retry_policy()->set_max_attempts(1);
  FillDefaults(told);
  EXPECT_EQ(told.run_timeout().seconds(), 5);
  EXPECT_EQ(told.retry_policy().max_attempts(), 1);
  v1::Task script = ATask();
  FillDefaults(script);
  EXPECT_FALSE(script.has_retry_policy());
}

}  // namespace
}  // namespace errand::task
