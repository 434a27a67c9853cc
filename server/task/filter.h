#ifndef ERRAND_SERVER_TASK_FILTER_H_
#define ERRAND_SERVER_TASK_FILTER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "errand/v1/task.pb.h"

namespace errand::task {

// Which tasks to list: a parsed `ListTasksRequest.filter` (AIP-160), see errand/v1/tasks.proto. Immutable;
// any thread.
class Filter {
 public:
  // INVALID_ARGUMENT naming `field` and the place in `text` where it stops making sense. Empty text matches
  // all.
  static absl::StatusOr<Filter> Parse(absl::string_view text, absl::string_view field);

  Filter(Filter&&) noexcept;
  Filter& operator=(Filter&&) noexcept;
  ~Filter();

  // `task` in BASIC view.
  bool Matches(const v1::Task& task) const;

 private:
  struct Node;

  explicit Filter(std::unique_ptr<Node> root);

  std::unique_ptr<Node> root_;  // Null: matches all.
};

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_FILTER_H_
