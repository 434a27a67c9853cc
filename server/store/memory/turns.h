#ifndef ERRAND_SERVER_STORE_MEMORY_TURNS_H_
#define ERRAND_SERVER_STORE_MEMORY_TURNS_H_

#include <array>
#include <deque>
#include <vector>

#include "absl/functional/function_ref.h"
#include "server/clock/instant.h"
#include "server/store/memory/queue.h"

namespace errand::store {

// Which task starts next: the queues take turns, `Queue.weight` tasks a turn, so that a long queue does not
// hold up a short one. A queue whose tasks do not wait or that is held back loses its place, and gets one at
// the end with Offer.
class Turns {
 public:
  // To be called whenever tasks of the queue may have become able to start.
  void Offer(Queue* queue);

  // Takes the next task out of its waiting line; null when none may start. A queue whose next task does
  // not stand before `synced` in the journal is put aside; one that `has_room` denies is passed over until
  // TakeBackPassedOver. `on_rate_limit` is told of each queue that loses its place because of its rate.
  Record* Next(task::HandlerKind kind, clock::Instant now, JournalPlace synced,
               absl::FunctionRef<bool(const Queue&)> has_room, absl::FunctionRef<void(Queue*)> on_rate_limit);

  // Those that were passed over have their places at the front again.
  void TakeBackPassedOver(task::HandlerKind kind);

  // Whether queues have been put aside; gives these a place again.
  bool has_aside() const { return !aside_.empty(); }
  void TakeBackAside();

  // The queue goes away.
  void Forget(Queue* queue);

 private:
  struct Aside {
    size_t kind;
    Queue* queue;
  };

  std::array<std::deque<Queue*>, task::kHandlerKinds> turns_;
  std::vector<Aside> aside_;
  std::vector<Queue*> passed_over_;  // Between Next and TakeBackPassedOver; in order.
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_TURNS_H_
