// Tasks that scripts make: what they know of each other, how many there may be, and how they end together.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/store/conformance/store_fixture.h"

namespace errand::store {
namespace {

using ::testing::HasSubstr;

std::string Name(const std::string& id, const std::string& queue = "queues/default") {
  return task::TaskName(queue, id);
}

// A store in which one task runs, as the scripts do that make others.
class Family {
 public:
  explicit Family(const StoreFactory& factory, const StoreOptions& options = {}) : fixture(factory, options) {
    EXPECT_TRUE(fixture.Submit(StoreFixture::Lua("root")).ok());
    root = Start("root");
  }

  // The next task to start, which is this one.
  Lease Start(const std::string& id) {
    const auto claimed = fixture.Claim();
    EXPECT_EQ(Ids(claimed), std::vector<std::string>{id});
    return claimed.empty() ? Lease() : claimed[0].lease;
  }

  absl::StatusOr<v1::Task> Make(const Lease& by, const std::string& id,
                                const std::string& queue = "queues/default") {
    return fixture.SubmitAs(by, StoreFixture::Lua(id, queue));
  }

  StoreFixture fixture;
  Lease root;
};

TEST_P(StoreConformance, ATaskKnowsWhichOthersMadeIt) {
  Family family(GetParam());
  const auto child = family.Make(family.root, "child");
  ASSERT_TRUE(child.ok()) << child.status();
  EXPECT_EQ(child->parent_task(), Name("root"));
  const Lease by = family.Start("child");
  const auto grandchild = family.Make(by, "grandchild", "queues/other");
  ASSERT_TRUE(grandchild.ok()) << grandchild.status();
  for (int look = 0; look < 2; ++look) {
    ListRequest request;
    request.queue = "queues/other";
    const auto got = family.fixture.List(std::move(request));
    ASSERT_TRUE(got.ok()) << got.status();
    ASSERT_EQ(got->tasks.size(), 1u);
    EXPECT_EQ(got->tasks[0].parent_task(), Name("child"));
    EXPECT_EQ(got->tasks[0].root_task(), Name("root"));
    EXPECT_EQ(got->tasks[0].depth(), 2);
    const auto root = family.fixture.Get("root");
    EXPECT_EQ(root->root_task() + root->parent_task(), "") << "a client made it";
    if (!family.fixture.survives()) break;
    family.fixture.Reopen();
  }
}

TEST_P(StoreConformance, ATaskAtTheGreatestDepthMakesNone) {
  StoreOptions options;
  options.max_task_depth = 2;
  Family family(GetParam(), options);
  ASSERT_TRUE(family.Make(family.root, "one").ok());
  ASSERT_TRUE(family.Make(family.Start("one"), "two").ok());
  const Lease two = family.Start("two");
  const absl::Status refused = family.Make(two, "three").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), "MAX_TASK_DEPTH");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--max_task_depth=2"));
}

TEST_P(StoreConformance, AFamilyHasSoManyLivingDescendantsAndNoMore) {
  StoreOptions options;
  options.max_task_descendants = 2;
  Family family(GetParam(), options);
  ASSERT_TRUE(family.Make(family.root, "one").ok());
  const Lease one = family.Start("one");
  ASSERT_TRUE(family.Make(one, "two").ok());
  if (family.fixture.survives()) {  // The count as well.
    family.fixture.Reopen();
    const auto claimed = family.fixture.Claim(2);
    ASSERT_EQ(Ids(claimed), (std::vector<std::string>{"root", "one"}));
    EXPECT_EQ(ReasonOf(family.Make(one, "stale").status()), "STALE_LEASE");
    family.root = claimed[0].lease;
  }
  const absl::Status refused = family.Make(family.root, "three").status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), "MAX_TASK_DESCENDANTS");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("--max_task_descendants=2"));
  ASSERT_TRUE(family.fixture.Cancel("two").ok());
  EXPECT_TRUE(family.Make(family.root, "three").ok()) << "one has ended";
  EXPECT_EQ(ReasonOf(family.fixture.Retry("two").status()), "") << "a retry is a client's own decision";
  EXPECT_EQ(ReasonOf(family.Make(family.root, "four").status()), "MAX_TASK_DESCENDANTS");
}

TEST_P(StoreConformance, AnAttemptThatIsOverOrCancelledMakesNoTask) {
  Family family(GetParam());
  ASSERT_TRUE(family.fixture.Cancel("root").ok());
  EXPECT_EQ(ReasonOf(family.Make(family.root, "a").status()), "SUBMITTER_CANCELLED");
  ASSERT_TRUE(family.fixture.Finish(family.root, Verdict::kCancelled).ok());
  EXPECT_EQ(ReasonOf(family.Make(family.root, "a").status()), "STALE_LEASE");
  EXPECT_TRUE(absl::IsNotFound(family.fixture.Get("a").status()));
}

TEST_P(StoreConformance, ALaterAttemptThatAsksAgainGetsTheTaskOfTheFirst) {
  Family family(GetParam());
  ASSERT_TRUE(family.fixture.SubmitAs(family.root, StoreFixture::Request("child", "once")).ok());
  ASSERT_TRUE(family.fixture.Finish(family.root, Verdict::kRetry).ok());
  EXPECT_EQ(family.fixture.RunOne(), "child");
  family.fixture.Advance(absl::Seconds(1));
  const Lease again = family.Start("root");
  const auto repeated = family.fixture.SubmitAs(again, StoreFixture::Request("other", "once"));
  ASSERT_TRUE(repeated.ok()) << repeated.status();
  EXPECT_EQ(repeated->name(), Name("child"));
  EXPECT_EQ(repeated->parent_task(), Name("root"));
}

TEST_P(StoreConformance, CancellingWithDescendantsEndsAllBelowAndNothingElse) {
  Family family(GetParam());
  for (const char* id : {"mid", "sibling"}) ASSERT_TRUE(family.Make(family.root, id).ok());
  const Lease mid = family.Start("mid");
  const Lease sibling = family.Start("sibling");
  ASSERT_TRUE(family.Make(mid, "runs").ok());
  const Lease runs = family.Start("runs");
  for (const char* id : {"waits", "ended"}) ASSERT_TRUE(family.Make(mid, id).ok());
  ASSERT_TRUE(family.Make(sibling, "cousin").ok());
  ASSERT_TRUE(family.fixture.Cancel("ended").ok());
  ASSERT_TRUE(family.fixture.Finish(mid, Verdict::kSucceeded).ok());

  EXPECT_TRUE(absl::IsFailedPrecondition(family.fixture.Cancel("mid").status()));
  const auto cancelled = family.fixture.CancelTree("mid");
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->descendants, 2) << "runs and waits";
  EXPECT_EQ(cancelled->task.value().state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(family.fixture.State("waits"), v1::TASK_STATE_CANCELLED);
  ASSERT_EQ(family.fixture.cancels().size(), 1u);
  EXPECT_EQ(family.fixture.cancels()[0].token, runs.token);
  EXPECT_EQ(family.fixture.State("cousin"), v1::TASK_STATE_QUEUED);

  // As long as something below lives, nothing is added and nothing put back.
  EXPECT_EQ(ReasonOf(family.Make(runs, "late").status()), "SUBMITTER_CANCELLED");
  EXPECT_EQ(ReasonOf(family.fixture.Retry("waits").status()), "BEING_CANCELLED");
  EXPECT_TRUE(family.Make(sibling, "another").ok());
  ASSERT_TRUE(family.fixture.Finish(runs, Verdict::kRetry).ok());
  EXPECT_EQ(family.fixture.State("runs"), v1::TASK_STATE_CANCELLED);
  EXPECT_TRUE(family.fixture.Retry("waits").ok()) << "what was cancelled has ended, and may be wanted again";
}

TEST_P(StoreConformance, DescendantsAreCancelledWhereTheTaskIsForgotten) {
  Family family(GetParam());
  ASSERT_TRUE(family.Make(family.root, "child").ok());
  const Lease child = family.Start("child");
  ASSERT_TRUE(family.Make(child, "grandchild").ok());
  for (const Lease& lease : {family.root, child}) {
    ASSERT_TRUE(family.fixture.Finish(lease, Verdict::kSucceeded).ok());
  }
  for (const char* id : {"root", "child"}) ASSERT_TRUE(family.fixture.Delete(id).ok());
  if (family.fixture.survives()) family.fixture.Reopen();
  EXPECT_TRUE(absl::IsNotFound(family.fixture.CancelTree("root", "an-etag").status()));
  const auto cancelled = family.fixture.CancelTree("root");
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_FALSE(cancelled->task.has_value());
  EXPECT_EQ(cancelled->descendants, 1);
  EXPECT_EQ(family.fixture.State("grandchild"), v1::TASK_STATE_CANCELLED);
  ASSERT_TRUE(family.fixture.Delete("grandchild").ok());
  EXPECT_TRUE(absl::IsNotFound(family.fixture.CancelTree("root").status()))
      << "nothing is left of the family";
}

TEST_P(StoreConformance, AFamilyThatIsBeingCancelledIsSoAfterARestart) {
  Family family(GetParam());
  if (!family.fixture.survives()) GTEST_SKIP() << "nothing does";
  ASSERT_TRUE(family.Make(family.root, "child").ok());
  (void)family.Start("child");
  ASSERT_TRUE(family.fixture.CancelTree("root").ok());
  // Both were told to stop, and have not when the server ends.
  family.fixture.Reopen();
  family.fixture.Advance(absl::ZeroDuration());
  EXPECT_EQ(family.fixture.State("root"), v1::TASK_STATE_CANCELLED);
  EXPECT_EQ(family.fixture.State("child"), v1::TASK_STATE_CANCELLED);
  family.fixture.Reopen();
  ASSERT_TRUE(family.fixture.Retry("child").ok());
  family.fixture.Reopen();
  family.fixture.Advance(absl::ZeroDuration());
  EXPECT_TRUE(family.Make(family.Start("child"), "new").ok()) << "the cancel is over";
}

TEST_P(StoreConformance, ALargeFamilyIsCancelledStepByStep) {
  Family family(GetParam());
  constexpr int kChildren = 2'500;
  for (int i = 0; i < kChildren; ++i) ASSERT_TRUE(family.Make(family.root, absl::StrCat("c", i)).ok());
  const auto cancelled = family.fixture.CancelTree("root");
  ASSERT_TRUE(cancelled.ok()) << cancelled.status();
  EXPECT_EQ(cancelled->descendants, kChildren);
  EXPECT_TRUE(family.fixture.Claim(10).empty());
}

TEST_P(StoreConformance, APurgedQueueTakesNothingFromWhatBeganBefore) {
  Family family(GetParam());
  ASSERT_TRUE(family.Make(family.root, "other", "queues/other").ok());
  EXPECT_EQ(family.fixture.Purge("queues/other").value(), 1);
  if (family.fixture.survives()) {
    // The queue is gone, what is known of it is not.
    family.fixture.Reopen();
    const Lease again = family.Start("root");
    EXPECT_TRUE(family.Make(again, "other", "queues/other").ok()) << "the attempt has begun since";
    return;
  }
  const absl::Status refused = family.Make(family.root, "other", "queues/other").status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_EQ(ReasonOf(refused), "QUEUE_PURGED");
  EXPECT_TRUE(family.Make(family.root, "mine").ok()) << "another queue takes it";
  EXPECT_TRUE(family.fixture.Submit(StoreFixture::Lua("client", "queues/other")).ok());
  EXPECT_EQ(family.fixture.RunOne(), "mine");
}

TEST_P(StoreConformance, TwoQueuesThatFillEachOtherEndWhenBothArePurged) {
  Family family(GetParam());
  ASSERT_TRUE(family.Make(family.root, "a1", "queues/a").ok());
  const Lease a1 = family.Start("a1");
  ASSERT_TRUE(family.Make(a1, "b1", "queues/b").ok());
  const Lease b1 = family.Start("b1");
  EXPECT_EQ(family.fixture.Purge("queues/a").value(), 0);
  ASSERT_TRUE(family.Make(a1, "b2", "queues/b").ok()) << "that one is not purged yet";
  EXPECT_EQ(ReasonOf(family.Make(b1, "a2", "queues/a").status()), "QUEUE_PURGED");
  const Lease b2 = family.Start("b2");
  EXPECT_EQ(ReasonOf(family.Make(b2, "a3", "queues/a").status()), "QUEUE_PURGED")
      << "its family began before";
  EXPECT_EQ(family.fixture.Purge("queues/b").value(), 0);
  EXPECT_EQ(ReasonOf(family.Make(a1, "b3", "queues/b").status()), "QUEUE_PURGED");
  EXPECT_EQ(ReasonOf(family.Make(b2, "b4", "queues/b").status()), "QUEUE_PURGED");
  // Once nothing of it lives a family begins anew.
  for (const Lease& lease : {a1, b1, b2, family.root}) {
    ASSERT_TRUE(family.fixture
                    .Finish(lease, lease.token == family.root.token ? Verdict::kFailed : Verdict::kSucceeded)
                    .ok());
  }
  ASSERT_TRUE(family.fixture.Retry("root").ok());
  EXPECT_TRUE(family.Make(family.Start("root"), "a9", "queues/a").ok());
}

TEST_P(StoreConformance, NothingOfAQueueStartsWhileItIsPurged) {
  StoreFixture fixture(GetParam());
  std::vector<Wanted> all;
  for (int i = 0; i < 1'500; ++i) all.push_back(StoreFixture::Lua(absl::StrCat("t", i)));
  (void)fixture.Submit(all, SubmitMode::kEach);
  const auto purged = StoreFixture::Await<absl::StatusOr<int64_t>>([&](auto done) {
    fixture.store().PurgeQueue("queues/default", std::move(done));
    EXPECT_TRUE(fixture.Claim(9).empty()) << "the first step has left some";
    ASSERT_TRUE(fixture.Submit(StoreFixture::Lua("later")).ok());
    fixture.Advance(absl::ZeroDuration());
  });
  EXPECT_EQ(purged.value(), 1'500);
  EXPECT_EQ(fixture.RunOne(), "later");
}

}  // namespace
}  // namespace errand::store
