// Drives the store at random and holds it to the promises that do not depend on what was done: order,
// gap-free sequences, one holder a task, and bounds.
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "tests/store/store_fixture.h"

namespace errand::store {
namespace {

class RandomRun {
 public:
  explicit RandomRun(uint64_t seed) : random_(seed), fixture_(Options()) {}

  void Step() {
    switch (Pick(8)) {
      case 0:
      case 1:
        Submit();
        break;
      case 2:
      case 3:
        Claim();
        break;
      case 4:
        Finish();
        break;
      case 5:
        Report();
        break;
      case 6:
        (void)fixture_.Cancel(AnyId());
        break;
      case 7:
        fixture_.Advance(absl::Seconds(Pick(20)));
        break;
    }
  }

  // Reads the events of some task from where this reader left off.
  void CheckEvents() {
    const std::string id = AnyId();
    const auto batch = fixture_.Events(id, read_[id], 1 + Pick(5));
    if (!batch.has_value()) return;
    if (!batch->ok()) {
      EXPECT_TRUE(absl::IsNotFound(batch->status()) || absl::IsOutOfRange(batch->status()))
          << batch->status();
      if (absl::IsOutOfRange(batch->status())) read_[id] = 0;
      return;
    }
    for (const auto& event : (*batch)->events) {
      if (read_[id] != 0) {
        EXPECT_EQ(event->sequence(), read_[id] + 1) << id;
      }
      EXPECT_FALSE(ended_.count(id)) << id << " has an event after its last";
      read_[id] = event->sequence();
      if (event->has_state() && task::IsTerminal(event->state().state())) ended_.insert(id);
    }
    EXPECT_EQ((*batch)->ended, ended_.count(id) > 0) << id;
  }

 private:
  static MemoryStoreOptions Options() {
    MemoryStoreOptions options;
    options.max_queue_tasks = 50;
    options.max_ended_tasks = 100;
    options.max_task_events = 12;
    return options;
  }

  int Pick(int below) { return std::uniform_int_distribution<int>(0, below - 1)(random_); }
  std::string AnyId() { return absl::StrCat("t", Pick(submitted_ + 1)); }

  void Submit() {
    const std::string id = absl::StrCat("t", submitted_);
    const int priority = Pick(3);
    auto submission = StoreFixture::LuaWith(id, [&](auto& task) {
      task.set_priority(priority);
      task.mutable_retry_policy()->set_max_attempts(1 + Pick(3));
    });
    const auto result = fixture_.Submit(std::move(submission));
    EXPECT_TRUE(result.ok() || absl::IsResourceExhausted(result.status())) << result.status();
    if (!result.ok()) return;
    ++submitted_;
  }

  void Claim() {
    for (ClaimedTask& claimed : fixture_.Claim(1 + Pick(3), absl::Seconds(5 + Pick(30)))) {
      EXPECT_TRUE(tokens_.insert(claimed.lease.token).second) << "a token is never given out twice";
      if (claimed.attempt == 1) CheckOrder(claimed);
      leases_.push_back(claimed.lease);
    }
  }

  // First attempts of one priority come in the order of submission; those cancelled meanwhile are skipped.
  void CheckOrder(const ClaimedTask& claimed) {
    const int number = std::stoi(claimed.lease.task.substr(claimed.lease.task.rfind('t') + 1));
    int& last = last_started_[claimed.task->priority()];
    EXPECT_GE(number, last);
    last = number + 1;
  }

  void Finish() {
    if (leases_.empty()) return;
    const size_t at = Pick(static_cast<int>(leases_.size()));
    const Verdict verdicts[] = {Verdict::kSucceeded, Verdict::kFailed, Verdict::kRetry, Verdict::kReleased,
                                Verdict::kCancelled};
    const absl::Status first = fixture_.Finish(leases_[at], verdicts[Pick(5)], absl::Seconds(Pick(10)));
    EXPECT_TRUE(first.ok() || absl::IsFailedPrecondition(first)) << first;
    EXPECT_TRUE(absl::IsFailedPrecondition(fixture_.Finish(leases_[at], Verdict::kSucceeded)))
        << "a lease is finished once";
    leases_.erase(leases_.begin() + static_cast<ptrdiff_t>(at));
  }

  void Report() {
    if (leases_.empty()) return;
    v1::TaskEvent event;
    if (Pick(2) == 0) {
      event.mutable_progress()->set_completed(Pick(100));
    } else {
      event.mutable_log()->set_message("line");
    }
    fixture_.store().Append({{leases_[Pick(static_cast<int>(leases_.size()))], event}});
  }

  std::mt19937_64 random_;
  StoreFixture fixture_;
  int submitted_ = 0;
  std::map<int, int> last_started_;
  std::vector<Lease> leases_;
  std::set<uint64_t> tokens_;
  std::map<std::string, int64_t> read_;
  std::set<std::string> ended_;
};

TEST(MemoryStoreRandom, PromisesHoldWhateverIsDone) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    RandomRun run(seed);
    for (int i = 0; i < 5000 && !::testing::Test::HasFailure(); ++i) {
      run.Step();
      run.CheckEvents();
    }
  }
}

}  // namespace
}  // namespace errand::store
