#ifndef ERRAND_STATE_H_
#define ERRAND_STATE_H_

#include "errand/v1/task.pb.h"

namespace errand {

// Whether a task in `state` is over: it succeeded, failed, was cancelled or expired.
inline bool HasEnded(v1::TaskState state) {
  switch (state) {
    case v1::TASK_STATE_SUCCEEDED:
    case v1::TASK_STATE_FAILED:
    case v1::TASK_STATE_CANCELLED:
    case v1::TASK_STATE_EXPIRED:
      return true;
    default:
      return false;
  }
}

}  // namespace errand

#endif  // ERRAND_STATE_H_
