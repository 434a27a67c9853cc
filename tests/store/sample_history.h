#ifndef ERRAND_TESTS_STORE_SAMPLE_HISTORY_H_
#define ERRAND_TESTS_STORE_SAMPLE_HISTORY_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tests/store/conformance/store_fixture.h"

namespace errand::store {

// A short history with something of all that a store keeps: tasks in every state, with attempts, results,
// ordering keys and request ids, queues, scripts; and so much that came and went that a log in segments of
// kSegmentBytes is compacted. The same whenever it is made.
class SampleHistory {
 public:
  static constexpr uint64_t kSegmentBytes = 8 << 10;
  // More than it takes.
  static constexpr absl::Duration kLength = absl::Minutes(5);

  // `fixture` is borrowed, and new.
  explicit SampleHistory(StoreFixture* fixture);

  size_t steps() const { return steps_.size(); }
  // Makes the next step, all of which is kept, or nothing; false if the store refuses it.
  bool Next() { return steps_[next_++].run(); }
  bool done() const { return next_ == steps_.size(); }
  // Whether the answer to the last step said that it is safe, and with it all before.
  bool is_safe() const { return steps_[next_ - 1].safe; }

  // What its request ids stand for in a store, as text. Changes nothing.
  static std::string Requests(StoreFixture& fixture);

 private:
  struct Step {
    bool safe;
    std::function<bool()> run;
  };

  void AddScripts();
  void AddTasks();
  void AddAttempts();
  void AddWhatGoesAgain(int rounds);
  void AddWhatRuns();

  void Add(std::function<bool()> run) { steps_.push_back({true, std::move(run)}); }
  // Of an attempt nobody is told when what it says is safe, nor of what time brings about.
  void AddUnsafe(std::function<bool()> run) { steps_.push_back({false, std::move(run)}); }
  void AddSubmit(std::function<std::vector<Wanted>()> wanted);
  void AddClaim(int max);
  void AddFinish(const std::string& id, Verdict verdict);
  void AddChange(bool deletes, std::vector<std::string> ids);

  StoreFixture& fixture_;
  std::vector<Step> steps_;
  size_t next_ = 0;
  std::map<std::string, Lease> leases_;  // By the task's id.
};

// A store as `make` makes it, whose clock stands where the history has been over for a while.
StoreFactory AfterSampleHistory(StoreFactory make);

}  // namespace errand::store

#endif  // ERRAND_TESTS_STORE_SAMPLE_HISTORY_H_
