// The store on a disk that runs full: what it refuses, what it goes on with, and what waits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/store/dump.h"
#include "tests/store/log_store_factory.h"

namespace errand::store {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSegmentBytes = 8 << 10;
constexpr uint64_t kMinFreeBytes = 64 << 10;
constexpr absl::Duration kDeadline = absl::Seconds(30);

// A store on a disk whose space is looked at.
class DiskFull : public testing::Test {
 protected:
  explicit DiskFull(uint64_t min_free_bytes = kMinFreeBytes)
      : fixture_(
            [this, min_free_bytes](const StoreOptions& options) {
              return OpenLogStore(disk_, options,
                                  {.segment_bytes = kSegmentBytes,
                                   .min_free_bytes = min_free_bytes,
                                   .on_space = [this](log::Space space, uint64_t) {
                                     absl::MutexLock lock(&mu_);
                                     low_ = space != log::Space::kEnough;
                                   }});
            },
            Options()) {}

  static StoreOptions Options() {
    StoreOptions options;
    options.max_body_bytes_in_memory = 0;
    return options;
  }

  void LeaveFree(uint64_t bytes) { disk_->LeaveFree(bytes); }

  // Waits until the store knows.
  void AwaitSpace(bool low) {
    absl::MutexLock lock(&mu_);
    const auto is_so = [this, low]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return low_ == low; };
    ASSERT_TRUE(mu_.AwaitWithTimeout(absl::Condition(&is_so), kDeadline)) << "low: " << low;
  }

  static Wanted Large(const std::string& id) {
    return StoreFixture::LuaWith(
        id, [](v1::Task& task) { task.mutable_lua()->set_source(std::string(1500, ' ')); });
  }
  void SubmitLarge(const std::string& prefix, int count) {
    for (int i = 0; i < count; ++i) ASSERT_TRUE(fixture_.Submit(Large(absl::StrCat(prefix, i))).ok()) << i;
  }

  static void ExpectDiskFull(const absl::Status& status) {
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_THAT(status.ToString(), HasSubstr("DISK_FULL"));
  }

  // Opens the store again on a disk that has room, and expects the tasks that were there.
  void ExpectAllAfterReopen() {
    const auto before = ListAll(fixture_);
    ASSERT_TRUE(before.ok()) << before.status();
    fixture_.ReopenAfter([this] { disk_->SetCapacity(UINT64_MAX); });
    const auto after = ListAll(fixture_);
    ASSERT_TRUE(after.ok()) << after.status();
    ASSERT_EQ(before->size(), after->size());
    for (size_t i = 0; i < before->size(); ++i) {
      EXPECT_EQ((*before)[i].SerializeAsString(), (*after)[i].SerializeAsString());
    }
  }

  absl::Mutex mu_;
  bool low_ ABSL_GUARDED_BY(mu_) = false;
  const std::shared_ptr<log::FakeDisk> disk_ = std::make_shared<log::FakeDisk>();
  StoreFixture fixture_;
};

TEST_F(DiskFull, WithLittleSpaceOnlyWhatIsNewIsRefused) {
  SubmitLarge("t", 6);
  const Lease lease = fixture_.Claim().at(0).lease;
  LeaveFree(kMinFreeBytes / 2);
  AwaitSpace(/*low=*/true);

  ExpectDiskFull(fixture_.Submit(StoreFixture::Lua("new")).status());
  ExpectDiskFull(fixture_.PutScript("scripts/s", "return 1").status());
  std::vector<Wanted> batch;
  batch.push_back(StoreFixture::Lua("new"));
  ExpectDiskFull(fixture_.Submit(batch, SubmitMode::kAllOrNone).at(0).status());

  EXPECT_TRUE(fixture_.Finish(lease, Verdict::kSucceeded).ok());
  EXPECT_EQ(fixture_.RunOne(), "t1");
  EXPECT_EQ(fixture_.RunOne(Verdict::kFailed), "t2");
  EXPECT_TRUE(fixture_.Retry("t2").ok());
  EXPECT_TRUE(fixture_.Cancel("t3").ok());
  EXPECT_TRUE(fixture_.Delete("t3").ok());
  EXPECT_TRUE(fixture_.SetState("queues/q", v1::QUEUE_STATE_PAUSED).ok());

  disk_->SetCapacity(UINT64_MAX);
  AwaitSpace(/*low=*/false);
  EXPECT_TRUE(fixture_.Submit(StoreFixture::Lua("new")).ok());
  EXPECT_TRUE(fixture_.PutScript("scripts/s", "return 1").ok());
  ExpectAllAfterReopen();
  EXPECT_EQ(fixture_.GetQueue("queues/q")->state(), v1::QUEUE_STATE_PAUSED);
}

TEST_F(DiskFull, DeletingTasksMakesRoomForOthers) {
  constexpr int kTasks = 60;  // About 30 segments.
  SubmitLarge("t", kTasks);
  LeaveFree(kMinFreeBytes / 2);  // A spare that cannot be finished any more gives back a little.
  AwaitSpace(/*low=*/true);
  ExpectDiskFull(fixture_.Submit(StoreFixture::Lua("new")).status());
  for (int i = 0; i < kTasks - 1; ++i) {
    const std::string id = absl::StrCat("t", i);
    ASSERT_TRUE(fixture_.Cancel(id).ok());
    ASSERT_TRUE(fixture_.Delete(id).ok());
    fixture_.Advance(absl::ZeroDuration());  // Compacts.
  }
  AwaitSpace(/*low=*/false);
  EXPECT_TRUE(fixture_.Submit(StoreFixture::Lua("new")).ok());
  EXPECT_EQ(ListAll(fixture_)->size(), 2u);
  ExpectAllAfterReopen();
}

// The same where nothing is refused for want of space.
class DiskReallyFull : public DiskFull {
 protected:
  DiskReallyFull() : DiskFull(/*min_free_bytes=*/0) {
    // Until calls wait. Each task takes half a segment.
    SubmitLarge("before", 2);
    AwaitSpare();
    LeaveFree(0);
    // The spare is one segment, and the store learns by its being used up that there is no space.
    for (int i = 0; i < 20; ++i) {
      tasks_.push_back(Large(absl::StrCat("t", i)));
      answers_.push_back(std::make_unique<Pending>());
      fixture_.store().Submit({tasks_.back().submission()}, SubmitMode::kEach,
                              [pending = answers_.back().get()](std::vector<absl::Status> statuses) {
                                pending->status = statuses.at(0);
                                pending->answered.Notify();
                              });
    }
    disk_->WaitUntilFull();
  }

  struct Pending {
    std::optional<absl::Status> status;
    absl::Notification answered;
  };

  // Until a file for the next segment is there.
  void AwaitSpare() {
    const auto is_spare = [](const std::string& name) { return absl::EndsWith(name, ".spare"); };
    const absl::Time deadline = absl::Now() + kDeadline;
    while (absl::c_none_of(*disk_->List(), is_spare)) {
      ASSERT_LT(absl::Now(), deadline) << "no spare is made";
      absl::SleepFor(absl::Milliseconds(1));
    }
  }

  // Gives the disk space, and waits for a task that starts.
  Lease ClaimWithSpace() {
    disk_->SetCapacity(UINT64_MAX);
    Lease lease;
    absl::Notification claimed;
    fixture_.store().Claim({task::HandlerKind::kLua, {.tasks = 1}, absl::Minutes(1), &fixture_, "worker-1"},
                           [&](const std::vector<ClaimedTask>& tasks) {
                             if (!tasks.empty()) lease = tasks[0].lease;
                             claimed.Notify();
                           });
    EXPECT_TRUE(claimed.WaitForNotificationWithTimeout(kDeadline));
    return lease;
  }

  void AwaitAnswers() {
    for (const auto& pending : answers_)
      ASSERT_TRUE(pending->answered.WaitForNotificationWithTimeout(kDeadline));
  }

  std::vector<Wanted> tasks_;
  std::vector<std::unique_ptr<Pending>> answers_;
};

TEST_F(DiskReallyFull, CallsAreAnsweredSoonAndWhatWasUnderWayIsKeptOnceThereIsSpace) {
  AwaitAnswers();
  std::vector<std::string> unsafe;
  size_t safe = 2;
  for (size_t i = 0; i < answers_.size(); ++i) {
    if (answers_[i]->status->ok()) {
      ++safe;
      continue;
    }
    ExpectDiskFull(*answers_[i]->status);
    if (absl::StrContains(answers_[i]->status->message(), "has become full"))
      unsafe.push_back(absl::StrCat("t", i));
  }
  ASSERT_FALSE(unsafe.empty());
  EXPECT_EQ(fixture_.Get("before0")->lua().source().size(), 1500u) << "reads work";
  EXPECT_EQ(fixture_.Get(unsafe.back())->lua().source().size(), 1500u)
      << "of what is not written yet as well";
  EXPECT_EQ(ListAll(fixture_)->size(), safe + unsafe.size());
  ExpectDiskFull(fixture_.Submit(StoreFixture::Lua("new")).status());
  ExpectDiskFull(fixture_.Cancel("before0").status());
  ExpectDiskFull(fixture_.SetState("queues/q", v1::QUEUE_STATE_PAUSED).status());
  EXPECT_TRUE(fixture_.Claim().empty()) << "nothing starts whose start cannot be kept";
  const Lease lease = ClaimWithSpace();
  EXPECT_EQ(lease.task, task::TaskName("queues/default", "before0"));
  EXPECT_TRUE(fixture_.Finish(lease, Verdict::kSucceeded).ok());
  for (size_t i = 0; i < answers_.size(); ++i) {
    if (!answers_[i]->status->ok()) continue;
    EXPECT_EQ(fixture_.State(absl::StrCat("t", i)), v1::TASK_STATE_QUEUED) << i;
  }
  ExpectAllAfterReopen();
}

TEST_F(DiskReallyFull, AnAttemptThatEndsMeanwhileIsNeitherLostNorDoubled) {
  AwaitAnswers();
  const Lease lease = ClaimWithSpace();
  // What the attempt says takes more than is left.
  LeaveFree(0);
  absl::Notification reported;
  for (int i = 0; i < 40; ++i) fixture_.Log(lease, std::string(1500, 'x'));
  disk_->WaitUntilFull();
  std::vector<FinishRequest> requests(1);
  requests[0].lease = lease;
  fixture_.store().Finish(std::move(requests), [&](const std::vector<absl::Status>&) { reported.Notify(); });
  ASSERT_TRUE(reported.WaitForNotificationWithTimeout(kDeadline));
  EXPECT_EQ(ClaimWithSpace().task, task::TaskName("queues/default", "before1"));
  EXPECT_EQ(fixture_.State("before0"), v1::TASK_STATE_SUCCEEDED);
  fixture_.Reopen();
  EXPECT_EQ(fixture_.Get("before0")->attempt_count(), 1);
  EXPECT_EQ(fixture_.State("before0"), v1::TASK_STATE_SUCCEEDED);
}

TEST_F(DiskReallyFull, AStoreIsClosedAndKeepsWhatItHasAnswered) {
  // Destroyed while the disk is full; opened with room.
  fixture_.ReopenAfter([this] {
    for (const auto& pending : answers_) EXPECT_TRUE(pending->answered.HasBeenNotified());
    EXPECT_FALSE(answers_.back()->status->ok());
    disk_->SetCapacity(UINT64_MAX);
  });
  EXPECT_EQ(fixture_.State("before0"), v1::TASK_STATE_QUEUED);
  EXPECT_EQ(fixture_.State("before1"), v1::TASK_STATE_QUEUED);
  for (size_t i = 0; i < answers_.size(); ++i) {
    const v1::TaskState state = fixture_.State(absl::StrCat("t", i));
    if (answers_[i]->status->ok()) {
      EXPECT_EQ(state, v1::TASK_STATE_QUEUED) << i;
    }
  }
  EXPECT_EQ(fixture_.RunOne(), "before0");
}

TEST_F(DiskReallyFull, AStoreIsOpenedAndReadThoughNothingCanBeWritten) {
  fixture_.Reopen();
  EXPECT_EQ(fixture_.Get("before0")->lua().source().size(), 1500u);
  disk_->SetCapacity(UINT64_MAX);
  EXPECT_EQ(fixture_.RunOne(), "before0");
}

}  // namespace
}  // namespace errand::store
