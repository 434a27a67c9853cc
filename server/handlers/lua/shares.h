#ifndef ERRAND_SERVER_HANDLERS_LUA_SHARES_H_
#define ERRAND_SERVER_HANDLERS_LUA_SHARES_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "server/task/fair_room.h"

namespace errand::handlers {

class LuaAttempt;

// Whether one that has `own` of the `taken` may take more of `all`. Whoever has nothing always may.
template <class Amount>
bool MayTakeMore(Amount own, Amount taken, Amount all) {
  return own == 0 || task::HasFairRoom(own, Amount{1}, taken, all);
}

// An attempt that is to have a turn in a process, and since when.
struct Ready {
  LuaAttempt* attempt;
  absl::Duration since;
};

// What one queue has of the Lua handler: its attempts that want a turn, and what others of them take.
struct Share {
  explicit Share(std::string queue_name) : queue(std::move(queue_name)) {}

  // Attempts that count against the handler's places: all but those that sleep.
  size_t in_hand() const {
    return fresh.size() + turned.size() + in_place.size() + static_cast<size_t>(fed + calling);
  }
  bool wants_turn() const { return !fresh.empty() || !turned.empty() || !in_place.empty(); }

  const std::string queue;  // `queues/{queue}`.
  int weight = 1;

  std::deque<Ready> fresh;     // New, or woken.
  std::deque<Ready> turned;    // Parked to give way to others.
  std::deque<Ready> in_place;  // The same as one of both, but each is still in the process that had it last.

  int fed = 0;            // Attempts in the batches of processes.
  int calling = 0;        // Attempts that wait for an answer of the server.
  int processes = 0;      // Processes whose batches began with an attempt of this queue.
  int held = 0;           // Processes that hold an attempt which does not run,
  size_t held_bytes = 0;  // and what these take.
  size_t kept_bytes = 0;  // What the attempts take in the server's memory.
  absl::Duration turn;    // How long a turn of its attempts takes on the average, lately.
  absl::Duration virtual_time;
};

// Who has the next turn: the queue that has had the least time in processes, by its weight (start-time fair
// queueing: Goyal, Vin and Cheng, 1996). A queue that comes back from a pause starts where the others are.
// One thread at a time.
class Shares {
 public:
  // The share of a queue, made if there is none. It lives as long as somebody holds it or its queue is ahead
  // of others.
  std::shared_ptr<Share> Of(const std::string& queue, int weight);

  enum class Line { kFresh, kTurned, kInPlace };
  void Add(Share& share, Line line, Ready ready);
  // To the front of the fresh ones: it was about to run.
  void AddFirst(Share& share, Ready ready);
  // Nothing happens if the attempt is not here.
  void Remove(Share& share, const LuaAttempt* attempt);

  // Calls visit(share) for those that want a turn, the one whose turn it is first, until it returns false.
  // `visit` must not change anything here.
  void InOrder(absl::FunctionRef<bool(Share&)> visit) const;
  bool empty() const { return waiting_.empty(); }
  // How many attempts want a turn.
  size_t size() const { return size_; }

  // Takes the first one of a line, which is not empty, for a turn that takes `expected`.
  Ready Take(Share& share, Line line, absl::Duration expected);
  // The turn took so much more than expected, or less.
  void Correct(Share& share, absl::Duration more);

  // Calls visit(share) for all that there are.
  void ForEach(absl::FunctionRef<void(Share&)> visit) const;

  // All attempts that want a turn.
  std::vector<Ready> TakeAll();

 private:
  using Place = std::pair<absl::Duration, Share*>;

  static std::deque<Ready>& LineOf(Share& share, Line line);
  void BeforeAdd(Share& share);
  void AfterRemoval(Share& share);
  void Advance(Share& share, absl::Duration by);
  void ForgetIdle();

  absl::flat_hash_map<std::string, std::shared_ptr<Share>> shares_;
  absl::btree_set<Place> waiting_;  // Those that want a turn, by their virtual time.
  size_t size_ = 0;
  absl::Duration virtual_time_;  // That of the share that had the last turn.
  size_t forget_at_ = 64;        // So many shares, and idle ones are looked for.
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_SHARES_H_
