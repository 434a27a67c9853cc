#ifndef ERRAND_CHANNEL_H_
#define ERRAND_CHANNEL_H_

#include <memory>

#include "absl/strings/string_view.h"

namespace grpc {
class Channel;
}

namespace errand {

// A channel to `server`, without encryption: "localhost:50051", "grpc://localhost:50051", or any target that
// gRPC knows ("dns:///errand.example:50051", "unix:/run/errand.sock"). Returns at once and connects when the
// first call is made. It reconnects within 2 s of a server's return, where gRPC's default takes up to two
// minutes, and notices within 7 minutes when an idle stream's peer has vanished. Any thread.
std::shared_ptr<grpc::Channel> Dial(absl::string_view server);

}  // namespace errand

#endif  // ERRAND_CHANNEL_H_
