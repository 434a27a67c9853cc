#ifndef ERRAND_SERVER_HANDLERS_LUA_PARKED_ATTEMPTS_H_
#define ERRAND_SERVER_HANDLERS_LUA_PARKED_ATTEMPTS_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "server/handlers/lua/lua_attempt.h"

namespace errand::handlers {

// Attempts whose scripts wait, in no process: for a time, or for an answer. One thread at a time.
class ParkedAttempts {
 public:
  void Add(std::unique_ptr<LuaAttempt> attempt);

  // Null when it is not here.
  std::unique_ptr<LuaAttempt> Take(AttemptId id);
  std::vector<std::unique_ptr<LuaAttempt>> TakeAll();

  // One whose time has come, to wake up or to end at its deadline; null when there is none.
  std::unique_ptr<LuaAttempt> TakeDue(absl::Duration now);
  // When TakeDue will find the next.
  absl::Duration NextDue() const;

  size_t size() const { return attempts_.size(); }
  // What all of them take.
  size_t bytes() const { return bytes_; }

 private:
  using Due = std::pair<absl::Duration, AttemptId>;

  static Due DueOf(const LuaAttempt& attempt);
  // A place in `attempts_` and in `due_`.
  static constexpr size_t kBytesAnAttempt = 64;

  absl::flat_hash_map<AttemptId, std::unique_ptr<LuaAttempt>> attempts_;
  absl::btree_set<Due> due_;
  size_t bytes_ = 0;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_PARKED_ATTEMPTS_H_
