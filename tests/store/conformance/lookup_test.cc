#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_P(StoreConformance, BasicViewLeavesOutWhatTheClientSentAndTheResult) {
  StoreFixture fixture(GetParam());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("a")).ok());
  std::vector<FinishRequest> requests(1);
  requests[0].lease = fixture.Claim()[0].lease;
  requests[0].result.set_data("done");
  (void)StoreFixture::Await<std::vector<absl::Status>>(
      [&](auto done) { fixture.store().Finish(std::move(requests), std::move(done)); });
  const v1::Task basic = *fixture.Get("a", v1::TASK_VIEW_BASIC);
  EXPECT_TRUE(basic.has_lua());
  EXPECT_EQ(basic.lua().source(), "");
  EXPECT_FALSE(basic.has_result());
  const v1::Task full = *fixture.Get("a");
  EXPECT_EQ(full.lua().source(), "return 1");
  EXPECT_EQ(full.result().data(), "done");
}

TEST_P(StoreConformance, ListPagesThroughAQueueInTheOrderOfSubmission) {
  StoreFixture fixture(GetParam());
  for (const char* id : {"a", "b", "c"}) ASSERT_TRUE(fixture.Submit(StoreFixture::Lua(id)).ok());
  ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("x", "queues/other")).ok());
  ListRequest request;
  request.queue = "queues/default";
  request.max_tasks = 2;
  ListPage page = *fixture.List(request);
  ASSERT_EQ(page.tasks.size(), 2u);
  EXPECT_EQ(page.tasks[1].name(), "queues/default/tasks/b");
  EXPECT_TRUE(page.more);
  request.after_order = page.last_order;
  page = *fixture.List(request);
  ASSERT_EQ(page.tasks.size(), 1u);
  EXPECT_EQ(page.tasks[0].name(), "queues/default/tasks/c");
  EXPECT_FALSE(page.more);
}

TEST_P(StoreConformance, PagesAreStableUnderChange) {
  StoreFixture fixture(GetParam());
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(
        fixture.Submit(StoreFixture::Lua(absl::StrCat("t", i), i % 2 == 0 ? "queues/a" : "queues/b")).ok());
  }
  ListRequest request;
  request.max_tasks = 2;
  std::vector<std::string> seen;
  for (;;) {
    const ListPage page = *fixture.List(request);
    for (const v1::Task& task : page.tasks) seen.push_back(task.name().substr(task.name().rfind('/') + 1));
    if (!page.more) break;
    request.after_order = page.last_order;
    (void)fixture.RunOne();  // What changes meanwhile moves nothing.
    if (seen.size() == 4) {
      ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("late", "queues/a")).ok());
    }
  }
  EXPECT_THAT(seen, ElementsAre("t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8", "t9", "late"));
}

TEST_P(StoreConformance, AFilterChoosesWhatIsListed) {
  StoreFixture fixture(GetParam());
  for (int i = 0; i < 6; ++i) {
    auto submission = StoreFixture::LuaWith(absl::StrCat("t", i), [&](auto& task) {
      (*task.mutable_labels())["team"] = i % 2 == 0 ? "red" : "blue";
    });
    ASSERT_TRUE(fixture.Submit(std::move(submission)).ok());
  }
  ASSERT_TRUE(fixture.Cancel("t0").ok());
  ListRequest request;
  request.queue = "queues/default";
  request.filter = std::make_shared<const task::Filter>(
      *task::Filter::Parse("labels.team = red AND state = QUEUED", "filter"));
  const ListPage page = *fixture.List(request);
  ASSERT_EQ(page.tasks.size(), 2u);
  EXPECT_EQ(page.tasks[0].name(), "queues/default/tasks/t2");
  EXPECT_EQ(page.tasks[1].name(), "queues/default/tasks/t4");
  EXPECT_EQ(page.tasks[0].lua().source(), "");
  request.view = v1::TASK_VIEW_FULL;
  EXPECT_EQ(fixture.List(request)->tasks[0].lua().source(), "return 1");
}

TEST_P(StoreConformance, AQueueThatDoesNotExistCannotBeListed) {
  StoreFixture fixture(GetParam());
  ListRequest request;
  request.queue = "queues/none";
  EXPECT_TRUE(absl::IsNotFound(fixture.List(request).status()));
}
}  // namespace
}  // namespace errand::store
