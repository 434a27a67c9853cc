#ifndef ERRAND_SERVER_TASK_STATE_H_
#define ERRAND_SERVER_TASK_STATE_H_

#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "errand/v1/task.pb.h"

// The life of a task:
//
//            create                  claim                 ok
//  ----> SCHEDULED --due--> QUEUED --------> RUNNING ----------------> SUCCEEDED
//           ^                 ^                | | |
//           |                 |                | |  `- permanent error, or attempts spent --> FAILED
//           |                 |                | `---- released by a server that stops: QUEUED again
//           `---- backoff ----+----------------'
//
//  CancelTask: SCHEDULED, QUEUED -> CANCELLED at once; RUNNING -> stopped, then CANCELLED.
//  A lease that expires counts as an error of its attempt.
namespace errand::task {

// What executes a task. The order is that of the fields of `Task.handler`.
enum class HandlerKind { kLua, kEmail };
inline constexpr int kHandlerKinds = 2;

// As the field of `Task.handler` is named.
inline absl::string_view KindName(HandlerKind kind) { return kind == HandlerKind::kEmail ? "email" : "lua"; }

// `task.handler` must be set.
inline HandlerKind KindOf(const v1::Task& task) {
  return task.has_email() ? HandlerKind::kEmail : HandlerKind::kLua;
}

// For people: "succeeded".
inline std::string StateWord(v1::TaskState state) {
  return absl::AsciiStrToLower(absl::StripPrefix(v1::TaskState_Name(state), "TASK_STATE_"));
}

// No event follows that of a terminal state.
inline bool IsTerminal(v1::TaskState state) {
  return state == v1::TASK_STATE_SUCCEEDED || state == v1::TASK_STATE_FAILED ||
         state == v1::TASK_STATE_CANCELLED || state == v1::TASK_STATE_EXPIRED;
}

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_STATE_H_
