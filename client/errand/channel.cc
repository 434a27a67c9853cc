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
  // A quiet watch is kept through what forgets connections on which nothing passes, and one whose server is
  // gone ends. Errand's servers take pings every ten seconds (others only every five minutes:
  // https://github.com/grpc/grpc/blob/master/doc/keepalive.md).
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10 * 1000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20 * 1000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The server sends more than the default of 4 MiB only where it is asked to: for a task whose attachments
  // have more.
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(std::string(server), grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace errand
