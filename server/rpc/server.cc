#include "server/rpc/server.h"

#include <grpcpp/resource_quota.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace errand::rpc {

Server::Server(const ServerOptions& options) : host_(options.listen.substr(0, options.listen.rfind(':'))) {
  builder_.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &port_);
  builder_.SetMaxReceiveMessageSize(options.max_message_bytes);
  grpc::ResourceQuota quota;
  quota.Resize(static_cast<size_t>(options.max_buffer_bytes));
  builder_.SetResourceQuota(quota);
  // On by default, and then a second server silently shares the port.
  builder_.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  for (int i = 0; i < options.unary_loops; ++i) {
    unary_loops_.push_back(std::make_unique<Loop>(builder_.AddCompletionQueue()));
  }
  for (int i = 0; i < options.stream_loops; ++i) {
    stream_loops_.push_back(std::make_unique<Loop>(builder_.AddCompletionQueue()));
  }
}

absl::StatusOr<std::string> Server::Start() {
  server_ = builder_.BuildAndStart();
  if (server_ == nullptr || port_ == 0) {
    return absl::UnavailableError("the address is in use, not this machine's, or not allowed");
  }
  return absl::StrCat(host_, ":", port_);
}

template <class Action>
void Server::ForEachLoop(Action action) {
  for (auto& loop : unary_loops_) action(*loop);
  for (auto& loop : stream_loops_) action(*loop);
}

void Server::Run() {
  ForEachLoop([](Loop& loop) { loop.Start(); });
}

void Server::Shutdown(absl::Time deadline) {
  server_->Shutdown(absl::ToChronoTime(deadline));
  ForEachLoop([](Loop& loop) { loop.WaitForCalls(); });
  ForEachLoop([](Loop& loop) { loop.Shutdown(); });
  ForEachLoop([](Loop& loop) { loop.Join(); });
}

}  // namespace errand::rpc
