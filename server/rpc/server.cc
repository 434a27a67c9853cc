#include "server/rpc/server.h"

#include <grpc/grpc.h>
#include <grpcpp/resource_quota.h>

#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "server/rpc/guard/inflation.h"
#include "server/rpc/timers.h"

namespace errand::rpc {
namespace {

constexpr int kHandshakeMillis = 5'000;
constexpr int kMetadataBytes = 8 << 10;
constexpr int kAgeGraceMillis = 30'000;

// Clients may ping every ten seconds, also without calls; less than half of that leaves room for a network
// that bunches pings up.
constexpr int kLeastPingIntervalMillis = 4'000;

// gRPC's arguments are of 32 bits; what does not fit never comes.
void SetMillis(grpc::ServerBuilder& builder, const std::string& argument, absl::Duration duration) {
  const int64_t millis = absl::ToInt64Milliseconds(duration);
  if (millis < std::numeric_limits<int>::max())
    builder.AddChannelArgument(argument, static_cast<int>(millis));
}

// How connections end that nobody ends. Pings find peers that are gone, and keep connections through what
// forgets them when nothing passes: balancers do after a minute, as a rule.
void SetLifetimes(grpc::ServerBuilder& builder, const ServerOptions& options) {
  // Until a connection's SETTINGS, the first frame of a client, have come.
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMillis);
  SetMillis(builder, GRPC_ARG_KEEPALIVE_TIME_MS, options.ping_after);
  SetMillis(builder, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, options.ping_timeout);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kLeastPingIntervalMillis);
  SetMillis(builder, GRPC_ARG_MAX_CONNECTION_AGE_MS, options.max_connection_age);
  SetMillis(builder, GRPC_ARG_MAX_CONNECTION_IDLE_MS, options.max_connection_idle);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, kAgeGraceMillis);
}

}  // namespace

Server::Server(const ServerOptions& options)
    : listen_(options.listen),
      limits_{options.max_connections, options.max_connections_per_address},
      guard_(options.guard) {
  hand_over_ = builder_.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  SetLifetimes(builder_, options);
  builder_.SetMaxReceiveMessageSize(options.max_message_bytes);
  Inflation::Limit(options.max_message_bytes);
  builder_.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataBytes);
  // Clients that obey it keep calls waiting that would be more.
  builder_.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.guard.streams_of_connection);
  grpc::ResourceQuota quota;
  quota.Resize(static_cast<size_t>(options.max_buffer_bytes));
  builder_.SetResourceQuota(quota);
  for (int i = 0; i < options.unary_loops; ++i) {
    unary_loops_.push_back(std::make_unique<Loop>(builder_.AddCompletionQueue(), &timers_));
  }
  for (int i = 0; i < options.stream_loops; ++i) {
    stream_loops_.push_back(std::make_unique<Loop>(builder_.AddCompletionQueue(), &timers_));
  }
}

absl::StatusOr<std::string> Server::Start() {
  absl::StatusOr<ListenSockets> listening = Listen(listen_);
  if (!listening.ok()) return listening.status();
  server_ = builder_.BuildAndStart();
  if (server_ == nullptr) return absl::InternalError("gRPC does not start");
  listening_ = *std::move(listening);
  return absl::StrCat(listen_.substr(0, listen_.rfind(':')), ":", listening_->port);
}

template <class Action>
void Server::ForEachLoop(Action action) {
  for (auto& loop : unary_loops_) action(*loop);
  for (auto& loop : stream_loops_) action(*loop);
}

void Server::Run() {
  ForEachLoop([](Loop& loop) { loop.Start(); });
  acceptor_ = std::make_unique<Acceptor>(*std::move(listening_), limits_, guard_, [this](int socket) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = socket;
    hand_over_->HandleNewConnection(&connection);
  });
  acceptor_->CheckMetering();
}

void Server::Shutdown(clock::Instant deadline) {
  acceptor_->StopListening();
  // In place of a deadline of gRPC's (see Timers).
  class CancelCalls final : public Timer {
   public:
    explicit CancelCalls(grpc::Server* server) : server_(server) {}
    void OnTime() override {
      grpc_server_cancel_all_calls(server_->c_server());
      done_.Notify();
    }
    void Await() { done_.WaitForNotification(); }

   private:
    grpc::Server* const server_;
    absl::Notification done_;
  } cancel_calls(server_.get());
  timers_.Set(&cancel_calls, deadline);
  server_->Shutdown();
  if (!timers_.Cancel(&cancel_calls)) cancel_calls.Await();
  ForEachLoop([](Loop& loop) { loop.WaitForCalls(); });
  ForEachLoop([](Loop& loop) { loop.Shutdown(); });
  ForEachLoop([](Loop& loop) { loop.Join(); });
}

}  // namespace errand::rpc
