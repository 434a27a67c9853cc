#ifndef ERRAND_SERVER_STORE_MEMORY_ANSWER_H_
#define ERRAND_SERVER_STORE_MEMORY_ANSWER_H_

#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/task_store.h"

namespace errand::store {

// Makes an answer one that says that nothing of it is safe.
inline void Refuse(absl::Status& answer, const absl::Status& why) { answer = why; }
template <class T>
void Refuse(absl::StatusOr<T>& answer, const absl::Status& why) {
  answer = why;
}
template <class T>
void Refuse(std::vector<T>& answers, const absl::Status& why) {
  for (T& answer : answers) Refuse(answer, why);
}
inline void Refuse(std::vector<ClaimedTask>& claimed, const absl::Status& /*why*/) { claimed.clear(); }

// Has `done` called with the answer, once it is known whether that is safe.
template <class T>
absl::AnyInvocable<void(const absl::Status&)> Answer(Callback<T> done, T answer) {
  return [done = std::move(done), answer = std::move(answer)](const absl::Status& safe) mutable {
    if (!safe.ok()) Refuse(answer, safe);
    done(std::move(answer));
  };
}

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_ANSWER_H_
