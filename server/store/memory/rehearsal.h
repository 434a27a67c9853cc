#ifndef ERRAND_SERVER_STORE_MEMORY_REHEARSAL_H_
#define ERRAND_SERVER_STORE_MEMORY_REHEARSAL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "errand/v1/task.pb.h"
#include "server/store/memory/journal.h"

namespace errand::store {

// Makes a journal's changes again, as a store that opens it would, and no more: what follows from them is not
// done, and nothing is written. Whoever looks for damage leaves out what does not fit and goes on. One thread
// at a time.
class Rehearsal {
 public:
  // A task that runs a version of a script that is not there.
  struct Scriptless {
    uint64_t order;
    std::string script;
    int64_t version;
  };

  // `parts_missing`: the oldest parts are gone, so that changes may be of tasks that are not there.
  explicit Rehearsal(bool parts_missing);
  ~Rehearsal();

  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;

  // DATA_LOSS: the change does not fit to those before it, and was not made.
  absl::Status Apply(JournalPlace place, absl::string_view change, uint64_t bytes);

  // The name of the task that was submitted as this one; empty if there is none.
  std::string TaskName(uint64_t order) const;
  // And back; 0.
  uint64_t TaskOrder(absl::string_view name) const;

  // What can be known when all changes have been made: a store with such tasks does not open.
  std::vector<Scriptless> TasksWithoutScript() const;
  std::map<v1::TaskState, int64_t> TasksByState() const;
  // Up to this part all may be missing.
  uint64_t dropped_part() const;

  // The last change of all: that this part, and all before it, may be missing. Nothing else may be called
  // from then on.
  std::string DescribePartDropped(uint64_t part);

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_REHEARSAL_H_
