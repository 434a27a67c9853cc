#include "server/task/queue_settings.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

namespace errand::task {
namespace {

using ::google::protobuf::FieldMask;
using ::google::protobuf::util::MessageDifferencer;
using ::testing::HasSubstr;
using ::testing::StartsWith;

FieldMask Mask(const std::vector<std::string>& paths) {
  FieldMask mask;
  for (const std::string& path : paths) mask.add_paths(path);
  return mask;
}

v1::Queue FullQueue() {
  v1::Queue queue;
  queue.set_name("queues/mail");
  queue.set_state(v1::QUEUE_STATE_PAUSED);
  queue.set_etag("1");
  queue.mutable_rate_limit()->set_tasks_per_second(10);
  queue.mutable_rate_limit()->set_burst(5);
  queue.set_max_running(3);
  queue.mutable_default_retry_policy()->set_max_attempts(4);
  queue.mutable_default_limits()->set_memory_bytes(2 << 20);
  queue.mutable_retention()->mutable_max_age()->set_seconds(60);
  queue.mutable_capacity()->set_max_tasks(100);
  queue.set_weight(2);
  return queue;
}

TEST(QueueSettings, WhatQueuesProtoAllowsIsValid) {
  EXPECT_TRUE(ValidateQueueSettings(v1::Queue(), "queue").ok());
  EXPECT_TRUE(ValidateQueueSettings(FullQueue(), "queue").ok());
  v1::Queue most;
  most.mutable_rate_limit()->set_tasks_per_second(1'000'000);
  most.mutable_rate_limit()->set_burst(1'000'000);
  most.set_max_running(std::numeric_limits<int32_t>::max());
  most.mutable_retention()->mutable_max_age()->set_seconds(315'576'000'000);
  most.mutable_retention()->set_max_count(std::numeric_limits<int64_t>::max());
  most.mutable_capacity()->set_max_bytes(std::numeric_limits<int64_t>::max());
  most.set_weight(100);
  EXPECT_TRUE(ValidateQueueSettings(most, "queue").ok()) << ValidateQueueSettings(most, "queue");
}

TEST(QueueSettings, WhatIsOutOfBoundsIsNamed) {
  struct Case {
    const char* field;
    std::function<void(v1::Queue&)> spoil;
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  for (const Case& one : std::vector<Case>{
           {"queue.rate_limit.tasks_per_second",
            [](auto& q) { q.mutable_rate_limit()->set_tasks_per_second(-1); }},
           {"queue.rate_limit.tasks_per_second",
            [nan](auto& q) { q.mutable_rate_limit()->set_tasks_per_second(nan); }},
           {"queue.rate_limit.tasks_per_second",
            [infinity](auto& q) { q.mutable_rate_limit()->set_tasks_per_second(infinity); }},
           {"queue.rate_limit.tasks_per_second",
            [](auto& q) { q.mutable_rate_limit()->set_tasks_per_second(1'000'001); }},
           {"queue.rate_limit.burst", [](auto& q) { q.mutable_rate_limit()->set_burst(-1); }},
           {"queue.rate_limit.burst", [](auto& q) { q.mutable_rate_limit()->set_burst(1'000'001); }},
           {"queue.max_running", [](auto& q) { q.set_max_running(-1); }},
           {"queue.default_retry_policy.max_attempts",
            [](auto& q) { q.mutable_default_retry_policy()->set_max_attempts(101); }},
           {"queue.default_retry_policy.multiplier",
            [nan](auto& q) { q.mutable_default_retry_policy()->set_multiplier(nan); }},
           {"queue.default_retry_policy.min_backoff",
            [](auto& q) { q.mutable_default_retry_policy()->mutable_min_backoff()->set_seconds(-1); }},
           {"queue.default_limits.memory_bytes",
            [](auto& q) { q.mutable_default_limits()->set_memory_bytes(1); }},
           {"queue.default_limits.output_bytes",
            [](auto& q) { q.mutable_default_limits()->set_output_bytes(-1); }},
           {"queue.default_limits.cpu_time",
            [](auto& q) { q.mutable_default_limits()->mutable_cpu_time()->set_seconds(3601); }},
           {"queue.retention.max_age",
            [](auto& q) { q.mutable_retention()->mutable_max_age()->set_seconds(-1); }},
           {"queue.retention.max_age",
            [](auto& q) { q.mutable_retention()->mutable_max_age()->set_nanos(1'000'000'000); }},
           {"queue.retention.max_count", [](auto& q) { q.mutable_retention()->set_max_count(-1); }},
           {"queue.capacity.max_tasks", [](auto& q) { q.mutable_capacity()->set_max_tasks(-1); }},
           {"queue.capacity.max_bytes", [](auto& q) { q.mutable_capacity()->set_max_bytes(-1); }},
           {"queue.weight", [](auto& q) { q.set_weight(-1); }},
           {"queue.weight", [](auto& q) { q.set_weight(101); }}}) {
    v1::Queue queue = FullQueue();
    one.spoil(queue);
    const absl::Status status = ValidateQueueSettings(queue, "queue");
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << one.field;
    EXPECT_THAT(std::string(status.message()), StartsWith(std::string(one.field) + ": "));
  }
}

TEST(QueueSettings, AMaskNamesSettingsAndTheirFields) {
  EXPECT_TRUE(ValidateQueueMask(FieldMask(), "update_mask").ok());
  EXPECT_TRUE(ValidateQueueMask(Mask({"*"}), "update_mask").ok());
  EXPECT_TRUE(
      ValidateQueueMask(Mask({"rate_limit", "rate_limit.burst", "max_running", "default_retry_policy",
                              "default_limits.memory_bytes", "retention.max_age", "capacity", "weight"}),
                        "update_mask")
          .ok());
  for (const char* path : {"", ".", "name", "state", "etag", "rate", "rate_limit.", "rate_limit.speed",
                           "max_running.x", "rateLimit", "retention.max_age.seconds", "weight ", "\xff"}) {
    const absl::Status status = ValidateQueueMask(Mask({"weight", path}), "update_mask");
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << path;
    EXPECT_THAT(std::string(status.message()), HasSubstr("update_mask: ")) << path;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(ValidateQueueMask(Mask({"*", "weight"}), "update_mask")));
}

TEST(QueueSettings, AnEmptyMaskMeansWhatIsSet) {
  v1::Queue into = FullQueue();
  v1::Queue from;
  from.set_name("queues/other");
  from.set_etag("other");
  from.set_state(v1::QUEUE_STATE_RUNNING);
  from.set_max_running(7);
  from.mutable_rate_limit()->set_tasks_per_second(20);
  ASSERT_TRUE(MergeQueueSettings(from, FieldMask(), into).ok());
  v1::Queue expected = FullQueue();
  expected.set_max_running(7);
  expected.mutable_rate_limit()->set_tasks_per_second(20);
  expected.mutable_rate_limit()->clear_burst();
  EXPECT_TRUE(MessageDifferencer::Equals(into, expected)) << into.DebugString();
}

TEST(QueueSettings, AStarMeansAllButNameStateAndEtag) {
  v1::Queue into = FullQueue();
  v1::Queue from;
  from.set_name("queues/other");
  from.set_weight(9);
  ASSERT_TRUE(MergeQueueSettings(from, Mask({"*"}), into).ok());
  v1::Queue expected;
  expected.set_name("queues/mail");
  expected.set_state(v1::QUEUE_STATE_PAUSED);
  expected.set_etag("1");
  expected.set_weight(9);
  EXPECT_TRUE(MessageDifferencer::Equals(into, expected)) << into.DebugString();
}

TEST(QueueSettings, AMaskChangesWhatItNamesAndClearsWhatIsNotSet) {
  v1::Queue into = FullQueue();
  v1::Queue from;
  from.mutable_rate_limit()->set_burst(50);
  from.mutable_rate_limit()->set_tasks_per_second(99);
  from.set_weight(9);
  ASSERT_TRUE(MergeQueueSettings(from, Mask({"rate_limit.burst", "max_running", "retention"}), into).ok());
  v1::Queue expected = FullQueue();
  expected.mutable_rate_limit()->set_burst(50);
  expected.clear_max_running();
  expected.clear_retention();
  EXPECT_TRUE(MessageDifferencer::Equals(into, expected)) << into.DebugString();
}

TEST(QueueSettings, AChangeThatContradictsWhatStaysIsRefusedAndChangesNothing) {
  v1::Queue into = FullQueue();
  into.mutable_default_retry_policy()->mutable_max_backoff()->set_seconds(10);
  const v1::Queue before = into;
  v1::Queue from;
  from.mutable_default_retry_policy()->mutable_min_backoff()->set_seconds(11);
  const absl::Status status = MergeQueueSettings(from, Mask({"default_retry_policy.min_backoff"}), into);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), StartsWith("queue.default_retry_policy.min_backoff"));
  EXPECT_TRUE(MessageDifferencer::Equals(into, before)) << into.DebugString();
}

TEST(QueueSettings, ATaskTakesTheDefaultsForWhatItLeavesOpen) {
  v1::Queue queue;
  v1::Task task;
  ApplyQueueDefaults(queue, task);
  EXPECT_EQ(task.ByteSizeLong(), 0u) << "a queue without defaults changes nothing";

  queue.mutable_default_retry_policy()->set_max_attempts(4);
  queue.mutable_default_limits()->set_memory_bytes(2 << 20);
  queue.mutable_default_limits()->set_output_bytes(100);
  task.mutable_limits()->set_output_bytes(7);
  ApplyQueueDefaults(queue, task);
  EXPECT_EQ(task.retry_policy().max_attempts(), 4);
  EXPECT_EQ(task.limits().memory_bytes(), 2 << 20);
  EXPECT_EQ(task.limits().output_bytes(), 7);

  v1::Task own;
  own.mutable_retry_policy();
  ApplyQueueDefaults(queue, own);
  EXPECT_EQ(own.retry_policy().max_attempts(), 0) << "a policy is a whole";
}

}  // namespace
}  // namespace errand::task
