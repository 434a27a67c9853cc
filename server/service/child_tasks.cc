#include "server/service/child_tasks.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "errand/v1/tasks.pb.h"
#include "google/protobuf/util/json_util.h"
#include "server/service/intake.h"
#include "server/task/name.h"

namespace errand::service {

void ChildTasks::Submit(store::Lease submitter, absl::string_view json,
                        absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) {
  // The store works on the task in place.
  struct Child {
    v1::CreateTaskRequest request;
    store::Lease submitter;
  };
  auto child = std::make_shared<Child>();
  child->submitter = std::move(submitter);
  v1::CreateTaskRequest& request = child->request;
  const auto parsed = google::protobuf::util::JsonStringToMessage(std::string(json), &request);
  if (!parsed.ok()) {
    done(absl::InvalidArgumentError(std::string(parsed.message())));
    return;
  }
  if (request.parent().empty()) request.set_parent(std::string(task::QueueOf(child->submitter.task)));
  auto submission = Intake::Prepare(request, ValidateOnly::kRefused, absl::Now());
  if (!submission.ok()) {
    done(submission.status());
    return;
  }
  submission->submitter = &child->submitter;
  std::vector<store::Submission> submissions;
  submissions.push_back(*std::move(submission));
  store_->Submit(std::move(submissions), store::SubmitMode::kEach,
                 [child, done = std::move(done)](std::vector<absl::Status> results) mutable {
                   if (results[0].ok()) {
                     done(child->request.task().name());
                   } else {
                     done(std::move(results[0]));
                   }
                 });
}

}  // namespace errand::service
