#include "server/task/name.h"

#include <gtest/gtest.h>

#include <set>

namespace errand::task {
namespace {

TEST(Name, ATaskNameIsMadeOfAQueueAndAnId) {
  EXPECT_EQ(TaskName("queues/q", "t"), "queues/q/tasks/t");
  EXPECT_EQ(QueueOf("queues/q/tasks/t"), "queues/q");
  EXPECT_TRUE(CheckTaskName("queues/q/tasks/t", "name").ok());
}

TEST(Name, WhatIsNotANameIsRefused) {
  const std::string longest(63, 'a');
  EXPECT_TRUE(CheckQueueName("queues/" + longest, "parent").ok());
  for (const std::string& name :
       {std::string(""), std::string("queues/"), std::string("queues/A"), std::string("queues/-a"),
        std::string("queues/a-"), std::string("queues/a/"), std::string("queues/a/tasks/b"),
        std::string("queues/a\n"), "queues/" + longest + "a", std::string("queue/a")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckQueueName(name, "parent"))) << name;
  }
  for (const char* name : {"", "queues/a", "queues/a/tasks", "queues/a/tasks/", "queues//tasks/b",
                           "queues/a/tasks/b/c", "queues/a/tasks/B", "queues/a/jobs/b"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckTaskName(name, "name"))) << name;
  }
  EXPECT_TRUE(CheckScriptName(ScriptName("a-1"), "name").ok());
  for (const char* name : {"", "a", "scripts/", "scripts/A", "scripts/a/b", "queues/a", "scripts/a@1"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(CheckScriptName(name, "name"))) << name;
  }
}

TEST(Name, AUidIsAVersion4UuidAndNeverTheSame) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string uid = NewUid();
    ASSERT_EQ(uid.size(), 36u);
    EXPECT_EQ(uid[8], '-');
    EXPECT_EQ(uid[14], '4');
    EXPECT_NE(std::string("89ab").find(uid[19]), std::string::npos) << uid;
    EXPECT_TRUE(CheckId(uid, "uid").ok());
    EXPECT_TRUE(seen.insert(uid).second);
  }
}

}  // namespace
}  // namespace errand::task
