#include "server/service/child_tasks.h"

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "errand/v1/tasks.pb.h"
#include "google/protobuf/util/json_util.h"
#include "server/service/intake.h"

namespace errand::service {

void ChildTasks::Submit(const std::string& queue, absl::string_view json,
                        absl::AnyInvocable<void(absl::StatusOr<std::string>)> done) {
  // The store works on the task in place.
  auto request = std::make_shared<v1::CreateTaskRequest>();
  const auto parsed = google::protobuf::util::JsonStringToMessage(std::string(json), request.get());
  if (!parsed.ok()) {
    done(absl::InvalidArgumentError(std::string(parsed.message())));
    return;
  }
  if (request->parent().empty()) request->set_parent(queue);
  auto submission = Intake::Prepare(*request, ValidateOnly::kRefused, absl::Now());
  if (!submission.ok()) {
    done(submission.status());
    return;
  }
  std::vector<store::Submission> submissions;
  submissions.push_back(*std::move(submission));
  store_->Submit(std::move(submissions), store::SubmitMode::kEach,
                 [request, done = std::move(done)](std::vector<absl::Status> results) mutable {
                   if (results[0].ok()) {
                     done(request->task().name());
                   } else {
                     done(std::move(results[0]));
                   }
                 });
}

}  // namespace errand::service
