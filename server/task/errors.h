#ifndef ERRAND_SERVER_TASK_ERRORS_H_
#define ERRAND_SERVER_TASK_ERRORS_H_

#include <cstddef>
#include <initializer_list>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "server/task/script.h"

// Errors as clients see them: a code, a message for people, and google.rpc details for programs (AIP-193).
//
// Inside the server such an error is an absl::Status that carries its details as payloads, by type URL. The
// service turns it into a grpc::Status; a task that failed keeps it as a google.rpc.Status.
namespace errand::task {

// The domain of every ErrorInfo that Errand makes.
inline constexpr absl::string_view kErrorDomain = "errand.dev";

using Metadata = std::initializer_list<std::pair<absl::string_view, absl::string_view>>;

// A status with an ErrorInfo. `reason` is UPPER_SNAKE_CASE and stable: programs compare it.
absl::Status Error(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                   Metadata metadata = {});

// INVALID_ARGUMENT / INVALID_FIELD with a BadRequest. `field` is the path in the request
// ("task.lua.source"); `problem` says what would be right ("must not be empty"). Long ones are shortened: the
// error goes into a call's trailers, of which clients take 8 KiB.
absl::Status InvalidField(absl::string_view field, absl::string_view problem);

// All that is wrong with a request, gathered: at most kMax fields, and those no longer than an error may be.
class Violations {
 public:
  static constexpr size_t kMax = 20;

  // Adds the fields that `status` names; OK adds none. An error that names no field counts as one.
  void Add(const absl::Status& status);

  bool ok() const { return first_.ok(); }
  // Whether nothing that is added will be named.
  bool full() const { return fields_.size() >= kMax || bytes_ >= kMaxBytes; }

  // OK, or the first error, with a BadRequest of all fields, and a message that says how many more there are.
  absl::Status status() const;

 private:
  static constexpr size_t kMaxBytes = 1024;

  absl::Status first_;
  std::vector<google::rpc::BadRequest::FieldViolation> fields_;
  size_t bytes_ = 0;  // Of the texts in them.
  int count_ = 0;     // Those that are not named included.
};

// INVALID_ARGUMENT / LUA_SYNTAX_ERROR with a BadRequest that has an entry a problem, all of them in `field`.
// OK where there is no problem.
absl::Status InvalidSource(absl::string_view field, const std::vector<ScriptProblem>& problems);

// NOT_FOUND / `type`_NOT_FOUND with a ResourceInfo. `type` is "task", "queue", "script" or "profile". `field`
// is the path in the request ("task.lua.script"), where the thing is not what the request is about.
absl::Status NotFound(absl::string_view type, absl::string_view name, absl::string_view field = "");

// FAILED_PRECONDITION / NO_HANDLER with a PreconditionFailure: nobody runs tasks of that kind ("lua"),
// because of `why` ("it was started with --lua_workers=0").
absl::Status NoHandler(absl::string_view kind, absl::string_view why);

// RESOURCE_EXHAUSTED / QUEUE_FULL with a QuotaFailure and a RetryInfo.
absl::Status QueueFull(absl::string_view queue, absl::string_view problem, absl::Duration retry_after);

// RESOURCE_EXHAUSTED / MEMORY_FULL with a QuotaFailure and a RetryInfo.
absl::Status MemoryFull(absl::string_view problem, absl::Duration retry_after);

// RESOURCE_EXHAUSTED / ANSWERS_FULL with a RetryInfo.
absl::Status AnswersFull(absl::Duration retry_after);

// RESOURCE_EXHAUSTED / SCRIPTS_FULL with a QuotaFailure.
absl::Status ScriptsFull(absl::string_view problem);

// RESOURCE_EXHAUSTED / DISK_FULL with a RetryInfo.
absl::Status DiskFull(absl::string_view problem, absl::Duration retry_after);

// UNAVAILABLE / `reason` with a RetryInfo.
absl::Status TryAgain(absl::string_view reason, absl::string_view message, absl::Duration retry_after);

// UNAVAILABLE / SHUTTING_DOWN with a RetryInfo of one second: somebody else may have taken over by then.
absl::Status ShuttingDown();

// The same error, found in a part of a larger request. `path` ("requests[3]") goes before the fields that it
// names, and before its message; code and other details stay.
absl::Status At(absl::string_view path, const absl::Status& status);

// Whether it says which field of the request is to blame.
bool NamesField(const absl::Status& status);

// The same error as a message, details included. OK gives code 0.
google::rpc::Status ToProto(const absl::Status& status);

}  // namespace errand::task

#endif  // ERRAND_SERVER_TASK_ERRORS_H_
