#include "errand/scripts.h"

#include <grpcpp/channel.h>

#include <string>
#include <utility>

#include "errand/request_id.h"
#include "errand/retry.h"
#include "errand/unary_call.h"
#include "errand/v1/scripts.grpc.pb.h"

namespace errand {
namespace {

using ScriptsStub = v1::Scripts::StubInterface;

template <class Response>
absl::StatusOr<v1::Script> ScriptOf(const absl::Status& status, Response& response) {
  if (!status.ok()) return status;
  return std::move(*response.mutable_script());
}

}  // namespace

struct Scripts::Stub {
  explicit Stub(const std::shared_ptr<grpc::Channel>& channel) : scripts(v1::Scripts::NewStub(channel)) {}

  const std::unique_ptr<ScriptsStub> scripts;
};

Scripts::Scripts(std::shared_ptr<grpc::Channel> channel, RetryOptions retry)
    : stub_(std::make_unique<Stub>(channel)), retry_(std::move(retry)) {}

Scripts::~Scripts() = default;

absl::StatusOr<v1::Script> Scripts::Create(v1::CreateScriptRequest request,
                                           const CallOptions& options) const {
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  if (request.request_id().empty()) request.set_request_id(NewRequestId());
  v1::CreateScriptResponse response;
  const absl::Status status = Call(*stub_->scripts, &ScriptsStub::CreateScript, request, &response, retry);
  return ScriptOf(status, response);
}

absl::StatusOr<v1::Script> Scripts::Get(absl::string_view name, int64_t version,
                                        const CallOptions& options) const {
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  v1::GetScriptRequest request;
  request.set_name(std::string(name));
  request.set_version(version);
  v1::GetScriptResponse response;
  const absl::Status status = Call(*stub_->scripts, &ScriptsStub::GetScript, request, &response, retry);
  return ScriptOf(status, response);
}

absl::StatusOr<v1::ListScriptsResponse> Scripts::ListPage(const v1::ListScriptsRequest& request,
                                                          const CallOptions& options) const {
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  v1::ListScriptsResponse response;
  absl::Status status = Call(*stub_->scripts, &ScriptsStub::ListScripts, request, &response, retry);
  if (!status.ok()) return status;
  return response;
}

absl::Status Scripts::List(OnScript on_script, const CallOptions& options) const {
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  v1::ListScriptsRequest request;
  do {
    v1::ListScriptsResponse response;
    absl::Status status = Call(*stub_->scripts, &ScriptsStub::ListScripts, request, &response, retry);
    if (!status.ok()) return status;
    retry.Succeeded();
    for (const v1::Script& script : response.scripts()) {
      if (!on_script(script)) return absl::OkStatus();
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return absl::OkStatus();
}

absl::Status Scripts::Delete(absl::string_view name, const CallOptions& options) const {
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  v1::DeleteScriptRequest request;
  request.set_name(std::string(name));
  v1::DeleteScriptResponse response;
  absl::Status status = Call(*stub_->scripts, &ScriptsStub::DeleteScript, request, &response, retry);
  // By an earlier attempt whose answer was lost.
  if (absl::IsNotFound(status) && retry.repeated()) return absl::OkStatus();
  return status;
}

absl::StatusOr<v1::ValidateScriptResponse> Scripts::Validate(absl::string_view source,
                                                             const CallOptions& options) const {
  Retry retry(retry_, DeadlineOf(options), options.cancellation);
  v1::ValidateScriptRequest request;
  request.set_source(std::string(source));
  v1::ValidateScriptResponse response;
  absl::Status status = Call(*stub_->scripts, &ScriptsStub::ValidateScript, request, &response, retry);
  if (!status.ok()) return status;
  return response;
}

}  // namespace errand
