// The store on a disk that runs full: what it refuses, what it goes on with, and what waits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
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
                                   .on_space = [this](bool low, uint64_t) {
                                     absl::MutexLock lock(&mu_);
                                     low_ = low;
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
    LeaveFree(0);
    for (int i = 0; answers_.size() < 20; ++i) {
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

  std::vector<Wanted> tasks_;
  std::vector<std::unique_ptr<Pending>> answers_;
};

TEST_F(DiskReallyFull, CallsAreAnsweredOnceThereIsSpace) {
  EXPECT_FALSE(answers_.back()->answered.HasBeenNotified());
  disk_->SetCapacity(UINT64_MAX);
  for (const auto& pending : answers_) {
    ASSERT_TRUE(pending->answered.WaitForNotificationWithTimeout(kDeadline));
    EXPECT_TRUE(pending->status->ok()) << *pending->status;
  }
  EXPECT_EQ(ListAll(fixture_)->size(), 2 + answers_.size());
  ExpectAllAfterReopen();
}

TEST_F(DiskReallyFull, ATaskStartsOnceItIsSafe) {
  struct Claim {
    std::vector<std::string> ids;
    absl::Notification answered;
  };
  const auto claim = [this](Claim& claim) {
    fixture_.store().Claim({task::HandlerKind::kLua, {.tasks = 100}, absl::Minutes(1), &fixture_, "worker-1"},
                           [&claim](const std::vector<ClaimedTask>& claimed) {
                             for (const ClaimedTask& task : claimed) claim.ids.push_back(task.task->uid());
                             claim.answered.Notify();
                           });
  };
  Claim at_once;
  claim(at_once);
  ASSERT_TRUE(at_once.answered.WaitForNotificationWithTimeout(kDeadline));
  EXPECT_GE(at_once.ids.size(), 2u) << "what was there before";
  EXPECT_LT(at_once.ids.size(), 2 + answers_.size());
  Claim later;
  claim(later);
  EXPECT_FALSE(later.answered.HasBeenNotified());
  disk_->SetCapacity(UINT64_MAX);
  ASSERT_TRUE(later.answered.WaitForNotificationWithTimeout(kDeadline));
  ASSERT_FALSE(later.ids.empty());
  EXPECT_EQ(later.ids.front(), absl::StrCat("uid-t", at_once.ids.size() - 2)) << "in their order";
}

TEST_F(DiskReallyFull, AStoreIsClosedAndKeepsWhatItHasAnswered) {
  EXPECT_FALSE(answers_.back()->answered.HasBeenNotified());
  // Destroyed while the disk is full; opened with room.
  fixture_.ReopenAfter([this] {
    for (const auto& pending : answers_) EXPECT_TRUE(pending->answered.HasBeenNotified());
    EXPECT_TRUE(absl::IsUnavailable(*answers_.back()->status)) << *answers_.back()->status;
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
