#include "server/service/unimplemented_service.h"

#include "absl/strings/str_cat.h"
#include "server/service/status.h"
#include "server/task/errors.h"

namespace errand::service {

void UnimplementedService::Register(rpc::Server& server) {
  server.builder().RegisterAsyncGenericService(&generic_);
}

void UnimplementedService::Arm(rpc::Server& server) {
  for (const auto& loop : server.unary_loops()) Refuse(*loop);
}

rpc::Call UnimplementedService::Refuse(rpc::Loop& loop) {
  grpc::GenericServerContext context;
  grpc::GenericServerAsyncReaderWriter stream(&context);
  const bool accepted = co_await rpc::Operation(
      [&](void* tag) { generic_.RequestCall(&context, &stream, loop.queue(), loop.queue(), tag); });
  if (!accepted) co_return;
  Refuse(loop);

  const std::string& method = context.method();
  const grpc::Status status =
      ToGrpc(task::Error(absl::StatusCode::kUnimplemented, "METHOD_NOT_AVAILABLE",
                         absl::StrCat("this release has no method ", method), {{"method", method}}));
  co_await rpc::Operation([&](void* tag) { stream.Finish(status, tag); });
}

}  // namespace errand::service
