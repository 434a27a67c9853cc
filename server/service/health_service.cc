#include "server/service/health_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/done_tag.h"
#include "server/service/status.h"
#include "server/service/unary_call.h"
#include "server/task/errors.h"

namespace errand::service {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

constexpr int kArmedCalls = 2;
// Changes that a watcher has not taken yet.
constexpr size_t kMaxUntold = 16;

constexpr char kWholeServer[] = "";
constexpr char kReadiness[] = "readiness";
constexpr char kLiveness[] = "liveness";

}  // namespace

HealthService::HealthService(std::vector<std::string> services, std::vector<std::string> creating)
    : services_([&] {
        std::set<std::string> known(services.begin(), services.end());
        known.insert({kWholeServer, kReadiness, kLiveness});
        return known;
      }()),
      creating_([&] {
        std::set<std::string> known(creating.begin(), creating.end());
        known.insert(kWholeServer);
        return known;
      }()) {}

HealthService::~HealthService() = default;

void HealthService::Register(rpc::Server& server) { server.builder().RegisterService(&grpc_); }

void HealthService::Arm(rpc::Server& server) {
  for (const auto& loop : server.stream_loops()) {
    streams_.emplace(loop.get(), std::make_unique<OpenStreams>(*loop));
  }
  for (int i = 0; i < kArmedCalls; ++i) {
    for (const auto& loop : server.unary_loops()) Check(*loop);
    for (const auto& loop : server.stream_loops()) Watch(*loop);
  }
}

void HealthService::SetNotServing() {
  absl::MutexLock lock(&mu_);
  serving_ = false;
  StatusChanged();
}

void HealthService::SetTakesNew(bool takes_new) {
  absl::MutexLock lock(&mu_);
  takes_new_ = takes_new;
  StatusChanged();
}

void HealthService::StatusChanged() {
  // Who does not take what it is told learns nothing more, and finds out by the end of its watch.
  for (const auto& [watcher, service] : watchers_) {
    if (!watcher->Push(StatusOf(service)))
      watcher->Close(absl::ResourceExhaustedError("too slow; watch again"));
  }
}

HealthService::ServingStatus HealthService::StatusOf(const std::string& service) const {
  const bool serving = serving_ && (takes_new_ || creating_.count(service) == 0);
  return serving ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

void HealthService::EndStreams() {
  for (auto& [loop, streams] : streams_) streams->Close(task::ShuttingDown());
}

rpc::Call HealthService::Check(rpc::Loop& loop) {
  UnaryCall<HealthCheckRequest, HealthCheckResponse> call;
  const bool accepted = co_await rpc::Operation([&](void* tag) {
    grpc_.RequestCheck(&call.context, &call.request, &call.writer, loop.queue(), loop.queue(), tag);
  });
  if (!accepted) co_return;
  Check(loop);

  grpc::Status status;
  if (Knows(call.request.service())) {
    absl::MutexLock lock(&mu_);
    call.response.set_status(StatusOf(call.request.service()));
  } else {
    status = ToGrpc(task::NotFound("service", call.request.service()));
  }
  co_await rpc::Operation([&](void* tag) { call.Finish(status, tag); });
}

rpc::Call HealthService::Watch(rpc::Loop& loop) {
  grpc::ServerContext context;
  HealthCheckRequest request;
  HealthCheckResponse response;
  grpc::ServerAsyncWriter<HealthCheckResponse> writer(&context);
  rpc::DoneTag done(context);
  const bool accepted = co_await rpc::Operation(
      [&](void* tag) { grpc_.RequestWatch(&context, &request, &writer, loop.queue(), loop.queue(), tag); });
  if (!accepted) co_return;
  Watch(loop);

  auto mailbox = std::make_shared<StatusMailbox>(loop, kMaxUntold);
  const OpenStreams::Membership membership(*streams_.at(&loop), CloseMailbox(mailbox));
  {
    absl::MutexLock lock(&mu_);
    // An unknown service stays unknown, whatever becomes of the server.
    if (Knows(request.service())) watchers_.emplace(mailbox, request.service());
    mailbox->Push(Knows(request.service()) ? StatusOf(request.service())
                                           : HealthCheckResponse::SERVICE_UNKNOWN);
  }
  done.OnDone([&] { mailbox->Close(absl::CancelledError("the client has gone")); });
  for (bool written = true; written;) {
    std::optional<ServingStatus> status = co_await mailbox->Receive();
    if (!status.has_value()) break;
    response.set_status(*status);
    written = co_await rpc::Operation([&](void* tag) { writer.Write(response, tag); });
  }
  done.OnDone(nullptr);
  {
    absl::MutexLock lock(&mu_);
    watchers_.erase(mailbox);
  }
  const grpc::Status end = ToGrpc(mailbox->reason());
  co_await rpc::Operation([&](void* tag) { writer.Finish(end, tag); });
  co_await done;
}

}  // namespace errand::service
