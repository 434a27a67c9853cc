#include "server/service/scripts_service.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/rpc/reply.h"
#include "server/service/page_token.h"
#include "server/service/status.h"
#include "server/service/store_call.h"
#include "server/service/unary_call.h"
#include "server/task/errors.h"
#include "server/task/limits.h"
#include "server/task/name.h"
#include "server/task/validate.h"

namespace errand::service {
namespace {

// As in queues_service.cc.
constexpr int kArmedCalls = 2;

using Problems = absl::StatusOr<std::vector<task::ScriptProblem>>;

PageScope ListScope() { return {"ListScripts"}; }

absl::Status CheckCreate(const v1::CreateScriptRequest& request) {
  task::Violations found;
  found.Add(task::CheckId(request.script_id(), "script_id"));
  if (request.request_id().size() > task::kMaxRequestIdBytes) {
    found.Add(task::InvalidField("request_id",
                                 absl::StrCat("must be at most ", task::kMaxRequestIdBytes, " bytes")));
  }
  found.Add(request.has_script() ? task::ValidateSource(request.script().source(), "script.source")
                                 : task::InvalidField("script", "must be set"));
  return found.status();
}

}  // namespace

struct ScriptsService::GetMethod {
  using Request = v1::GetScriptRequest;
  using Response = v1::GetScriptResponse;
  using Answer = absl::StatusOr<v1::Script>;
  static absl::Status Check(const Request& request) {
    task::Violations found;
    found.Add(task::CheckScriptName(request.name(), "name"));
    if (request.version() < 0) found.Add(task::InvalidField("version", "must not be negative"));
    return found.status();
  }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.GetScript({std::move(*request.mutable_name()), request.version()}, std::move(done));
  }
  static absl::Status Take(const Request&, Answer answer, Response& response) {
    if (answer.ok()) response.mutable_script()->Swap(&*answer);
    return answer.status();
  }
};

struct ScriptsService::ListMethod {
  using Request = v1::ListScriptsRequest;
  using Response = v1::ListScriptsResponse;
  using Answer = absl::StatusOr<store::ScriptPage>;
  static absl::Status Check(const Request& request) { return ReadNamePage(request, ListScope()).status(); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.ListScripts(*ReadNamePage(request, ListScope()), std::move(done));
  }
  static absl::Status Take(const Request&, Answer answer, Response& response) {
    if (!answer.ok()) return answer.status();
    for (v1::Script& script : answer->scripts) response.add_scripts()->Swap(&script);
    if (answer->more && response.scripts_size() > 0) {
      response.set_next_page_token(
          MakePageToken(ListScope(), response.scripts(response.scripts_size() - 1).name()));
    }
    return absl::OkStatus();
  }
};

struct ScriptsService::DeleteMethod {
  using Request = v1::DeleteScriptRequest;
  using Response = v1::DeleteScriptResponse;
  using Answer = absl::Status;
  static absl::Status Check(const Request& request) { return task::CheckScriptName(request.name(), "name"); }
  static void Ask(store::TaskStore& store, Request& request, store::Callback<Answer> done) {
    store.DeleteScript(std::move(*request.mutable_name()), std::move(done));
  }
  static absl::Status Take(const Request&, Answer answer, Response&) { return answer; }
};

ScriptsService::ScriptsService(store::TaskStore* store, Compiler compile)
    : store_(store), compile_(std::move(compile)) {}

ScriptsService::~ScriptsService() = default;

void ScriptsService::Register(rpc::Server& server) { server.builder().RegisterService(&grpc_); }

void ScriptsService::Arm(rpc::Server& server) {
  for (const auto& loop : server.unary_loops()) {
    for (int i = 0; i < kArmedCalls; ++i) {
      CreateScript(*loop);
      ValidateScript(*loop);
      ServeStoreCall<GetMethod>(grpc_, *loop, *store_);
      ServeStoreCall<ListMethod>(grpc_, *loop, *store_);
      ServeStoreCall<DeleteMethod>(grpc_, *loop, *store_);
    }
  }
}

void ScriptsService::Compile(const std::string& source, absl::AnyInvocable<void(Problems)> done) {
  if (compile_ != nullptr) {
    compile_(source, std::move(done));
  } else {
    done(task::Error(absl::StatusCode::kUnimplemented, "LUA_NOT_AVAILABLE",
                     "this server runs no Lua, and compiles none"));
  }
}

rpc::Call ScriptsService::CreateScript(rpc::Loop& loop) {
  UnaryCall<v1::CreateScriptRequest, v1::CreateScriptResponse> call;
  const bool accepted = co_await rpc::Operation(
      [&](void* tag) { grpc_.AcceptUnary(call.context, call.received, call.writer, loop, tag); });
  if (!accepted) co_return;
  CreateScript(loop);

  absl::Status status = call.received.status;
  if (status.ok()) status = CheckCreate(call.request);
  if (status.ok()) {
    rpc::Reply<Problems> compiled(loop);
    Compile(call.request.script().source(), compiled.callback());
    const Problems problems = co_await compiled;
    status = problems.ok() ? task::InvalidSource("script.source", *problems) : problems.status();
  }
  if (status.ok()) {
    store::PutScriptRequest put;
    put.name = task::ScriptName(call.request.script_id());
    put.source = std::move(*call.request.mutable_script()->mutable_source());
    put.request_id = std::move(*call.request.mutable_request_id());
    put.validate_only = call.request.validate_only();
    rpc::Reply<absl::StatusOr<v1::Script>> reply(loop);
    store_->PutScript(std::move(put), reply.callback());
    absl::StatusOr<v1::Script> script = co_await reply;
    status = script.status();
    if (script.ok()) call.response.mutable_script()->Swap(&*script);
  }
  const grpc::Status grpc_status = ToGrpc(status);
  co_await rpc::Operation([&](void* tag) { call.Finish(grpc_status, tag); });
}

rpc::Call ScriptsService::ValidateScript(rpc::Loop& loop) {
  UnaryCall<v1::ValidateScriptRequest, v1::ValidateScriptResponse> call;
  const bool accepted = co_await rpc::Operation(
      [&](void* tag) { grpc_.AcceptUnary(call.context, call.received, call.writer, loop, tag); });
  if (!accepted) co_return;
  ValidateScript(loop);

  absl::Status status = call.received.status;
  if (status.ok()) status = task::ValidateSource(call.request.source(), "source");
  if (status.ok()) {
    rpc::Reply<Problems> compiled(loop);
    Compile(call.request.source(), compiled.callback());
    Problems problems = co_await compiled;
    status = problems.status();
    if (problems.ok()) {
      for (task::ScriptProblem& found : *problems) {
        v1::Problem& problem = *call.response.add_problems();
        problem.set_line(found.line);
        problem.set_column(found.column);
        problem.set_message(std::move(found.message));
      }
    }
  }
  const grpc::Status grpc_status = ToGrpc(status);
  co_await rpc::Operation([&](void* tag) { call.Finish(grpc_status, tag); });
}

}  // namespace errand::service
