#ifndef ERRAND_SERVER_STORE_MEMORY_ALARMS_H_
#define ERRAND_SERVER_STORE_MEMORY_ALARMS_H_

#include <algorithm>
#include <cstdint>
#include <tuple>

#include "absl/container/btree_set.h"
#include "absl/time/time.h"
#include "server/clock/moment.h"

namespace errand::store {

struct Queue;
struct Record;

// What tasks and queues wait for. An instant ends what is measured: a lease, a backoff, a ttl, the time until
// a queue's next token, the age at which an ended task goes. A date is a time of day that a client gave:
// schedule_time and expire_time. Guarded by the store's mutex.
class Alarms {
 public:
  // Who waits: a task, or a queue.
  struct Owner {
    Record* record;
    Queue* queue;
  };

  // True: it comes before all others of its kind. The order tells apart what comes at the same time.
  bool Add(clock::Instant when, uint64_t order, Owner owner) { return Add(instants_, when, order, owner); }
  bool Add(absl::Time when, uint64_t order, Owner owner) { return Add(dates_, when, order, owner); }

  void Remove(clock::Instant when, uint64_t order, Owner owner) { instants_.erase({when, order, owner}); }
  void Remove(absl::Time when, uint64_t order, Owner owner) { dates_.erase({when, order, owner}); }

  // When the next one comes, if the wall clock is not set meanwhile.
  clock::Instant Next(const clock::Moment& now) const {
    return std::min(instants_.empty() ? clock::Instant::InfiniteFuture() : instants_.begin()->when,
                    dates_.empty() ? clock::Instant::InfiniteFuture() : now.InstantOf(dates_.begin()->when));
  }
  bool has_dates() const { return !dates_.empty(); }

  // Whose is the next one; there is one.
  Owner First(const clock::Moment& now) const {
    if (dates_.empty()) return instants_.begin()->owner;
    if (instants_.empty()) return dates_.begin()->owner;
    const auto& measured = *instants_.begin();
    const auto& date = *dates_.begin();
    const clock::Instant at = now.InstantOf(date.when);
    return std::tie(at, date.order) < std::tie(measured.when, measured.order) ? date.owner : measured.owner;
  }

 private:
  template <class When>
  struct Alarm {
    When when;
    uint64_t order;
    Owner owner;
    bool operator<(const Alarm& other) const {
      return std::tie(when, order, owner.queue) < std::tie(other.when, other.order, other.owner.queue);
    }
  };
  template <class When>
  using Set = absl::btree_set<Alarm<When>>;

  template <class When>
  static bool Add(Set<When>& alarms, When when, uint64_t order, Owner owner) {
    const auto added = alarms.insert({when, order, owner}).first;
    return added == alarms.begin();
  }

  Set<clock::Instant> instants_;
  Set<absl::Time> dates_;
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_ALARMS_H_
