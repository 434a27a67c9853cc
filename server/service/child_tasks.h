#ifndef ERRAND_SERVER_SERVICE_CHILD_TASKS_H_
#define ERRAND_SERVER_SERVICE_CHILD_TASKS_H_

#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/task_store.h"

namespace errand::service {

// Takes the tasks that scripts create as if they had come in a CreateTask call, but for the check of their
// source: their attempts tell.
class ChildTasks {
 public:
  // `store` is borrowed.
  explicit ChildTasks(store::TaskStore* store) : store_(store) {}

  // `submitter` is the lease of the attempt whose script asks. `request` is a CreateTaskRequest in proto3
  // JSON; without a `parent` the task goes to the queue of that attempt's task. Calls `done` once, with the
  // task's name or what a script should be told, from any thread, perhaps before it returns. Blocks for as
  // long as it takes to parse the request, 10 ms a megabyte. Any thread.
  void Submit(store::Lease submitter, absl::string_view request,
              absl::AnyInvocable<void(absl::StatusOr<std::string>)> done);

 private:
  store::TaskStore* const store_;
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_CHILD_TASKS_H_
