#ifndef ERRAND_SERVER_TASK_VALIDATE_EMAIL_H_
#define ERRAND_SERVER_TASK_VALIDATE_EMAIL_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "errand/v1/task.pb.h"

namespace errand::task {

// INVALID_ARGUMENT naming the fields that break a rule published at `EmailTask`, their paths starting
// with `path` ("task.email" gives "task.email.to[0]").
absl::Status ValidateEmail(const v1::EmailTask& email, absl::string_view path);

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_VALIDATE_EMAIL_H_
