#include "errand/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <string>

#include "absl/strings/strip.h"

namespace errand {

std::shared_ptr<grpc::Channel> Dial(absl::string_view server) {
  absl::ConsumePrefix(&server, "grpc://");
  absl::ConsumeSuffix(&server, "/");
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 2000);
  // Servers answer pings that come more often than every 5 minutes with a GOAWAY
  // (https://github.com/grpc/grpc/blob/master/doc/keepalive.md).
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 6 * 60 * 1000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * 1000);
  // Tasks and results are bounded by the server; the default of 4 MiB is less than what it may send.
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(std::string(server), grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace errand
