#ifndef ERRAND_SERVER_SERVICE_TASK_VIEW_H_
#define ERRAND_SERVER_SERVICE_TASK_VIEW_H_

#include "absl/status/status.h"
#include "errand/v1/task.pb.h"
#include "server/task/errors.h"

// How much of a task to return (AIP-157).
namespace errand::service {

inline absl::Status CheckView(v1::TaskView view) {
  if (v1::TaskView_IsValid(view)) return absl::OkStatus();
  return task::InvalidField("view", "must be TASK_VIEW_BASIC, TASK_VIEW_FULL or unset");
}

inline v1::TaskView FullUnlessBasic(v1::TaskView view) {
  return view == v1::TASK_VIEW_BASIC ? view : v1::TASK_VIEW_FULL;
}

inline v1::TaskView BasicUnlessFull(v1::TaskView view) {
  return view == v1::TASK_VIEW_FULL ? view : v1::TASK_VIEW_BASIC;
}

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_TASK_VIEW_H_
