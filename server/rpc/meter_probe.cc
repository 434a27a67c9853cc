#include "server/rpc/meter_probe.h"

#include <netinet/in.h>
#include <poll.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/rpc/guard/frame_parser.h"

namespace errand::rpc {
namespace {

constexpr int kPatienceMillis = 2'000;

// Frames with nothing in them but eight zeros in the PING: length, type, flags, stream (RFC 9113,
// section 4.1).
constexpr absl::string_view kSettings("\0\0\0\4\0\0\0\0\0", 9);
constexpr absl::string_view kPing("\0\0\x08\6\0\0\0\0\0\0\0\0\0\0\0\0\0", 17);

}  // namespace

absl::StatusOr<MeterProbe> MeterProbe::Open(const sockaddr_storage& address) {
  io::Descriptor socket(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::string hello = absl::StrCat(FrameParser::kPreface, kSettings, kPing);
  // To a wildcard is to this machine. The listener has taken the connection when this returns.
  if (!socket.is_open() ||
      connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      send(socket.fd(), hello.data(), hello.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(hello.size())) {
    return absl::ErrnoToStatus(errno, "cannot connect to this server");
  }
  FrameParser parser(FrameParser::Side::kServer);
  for (bool answered = false; !answered;) {
    char buffer[1024];
    pollfd event{socket.fd(), POLLIN, 0};
    const ssize_t size =
        poll(&event, 1, kPatienceMillis) > 0 ? recv(socket.fd(), buffer, sizeof buffer, 0) : 0;
    if (size <= 0) return absl::DeadlineExceededError("this server does not answer its own PING");
    for (absl::string_view bytes(buffer, static_cast<size_t>(size)); !bytes.empty();) {
      const std::optional<Frame> frame = parser.Next(bytes);
      answered = answered || (frame.has_value() && frame->type == FrameType::kPing);
    }
  }
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&own), &size);
  return MeterProbe(std::move(socket), PeerAddress(own));
}

}  // namespace errand::rpc
