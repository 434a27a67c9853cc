#ifndef ERRAND_SCRIPTS_H_
#define ERRAND_SCRIPTS_H_

#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "errand/options.h"
#include "errand/v1/scripts.pb.h"

namespace grpc {
class Channel;
}

namespace errand {

// Scripts that tasks name instead of carrying them.
//
//   errand::Scripts scripts(channel);
//   errand::v1::CreateScriptRequest request;
//   request.set_script_id("report");
//   request.mutable_script()->set_source("return 6 * 7");
//   absl::StatusOr<errand::v1::Script> script = scripts.Create(request);
//
// Threads, errors and repeated calls are as with Client (errand/client.h); errand/v1/scripts.proto lists the
// errors. Names are "scripts/{script}".
class Scripts {
 public:
  // Called for every script, on the thread that made the call; false ends the list.
  using OnScript = absl::FunctionRef<bool(const v1::Script& script)>;

  explicit Scripts(std::shared_ptr<grpc::Channel> channel, RetryOptions retry = {});

  // No call may be running.
  ~Scripts();

  Scripts(const Scripts&) = delete;
  Scripts& operator=(const Scripts&) = delete;

  // Registers a script, or a new version of one. Registers nothing twice: a request without a `request_id` is
  // given one.
  absl::StatusOr<v1::Script> Create(v1::CreateScriptRequest request, const CallOptions& options = {}) const;

  // The current version for 0.
  absl::StatusOr<v1::Script> Get(absl::string_view name, int64_t version = 0,
                                 const CallOptions& options = {}) const;

  // One page, for those who keep the token.
  absl::StatusOr<v1::ListScriptsResponse> ListPage(const v1::ListScriptsRequest& request,
                                                   const CallOptions& options = {}) const;

  // Reports the scripts by name, without their sources, page after page, until there are no more or
  // `on_script` returns false.
  absl::Status List(OnScript on_script, const CallOptions& options = {}) const;

  // Forgets a script; tasks keep the version they have. One that is gone after an attempt whose answer was
  // lost counts as deleted.
  absl::Status Delete(absl::string_view name, const CallOptions& options = {}) const;

  // What is wrong with a source; no problems when it compiles.
  absl::StatusOr<v1::ValidateScriptResponse> Validate(absl::string_view source,
                                                      const CallOptions& options = {}) const;

 private:
  struct Stub;

  const std::unique_ptr<const Stub> stub_;
  const RetryOptions retry_;
};

}  // namespace errand

#endif  // ERRAND_SCRIPTS_H_
