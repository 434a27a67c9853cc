#include "tests/isolation/raw_connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"

namespace errand {
namespace {

constexpr absl::Duration kSendPatience = absl::Seconds(10);

}  // namespace

RawConnection::RawConnection(const std::string& address) {
  const size_t colon = address.rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  int port = 0;
  if (!absl::SimpleAtoi(address.substr(colon + 1), &port)) return;
  to.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, address.substr(0, colon).c_str(), &to.sin_addr) != 1) return;
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) {
    close(std::exchange(fd_, -1));
    return;
  }
  fcntl(fd_, F_SETFL, O_NONBLOCK);
}

RawConnection::RawConnection(RawConnection&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

RawConnection::~RawConnection() {
  if (fd_ >= 0) close(fd_);
}

int RawConnection::Poll(int16_t events, absl::Duration patience) const {
  pollfd event{fd_, events, 0};
  if (poll(&event, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) <= 0) return 0;
  return event.revents;
}

void RawConnection::DropReceived() {
  char buffer[16384];
  while (recv(fd_, buffer, sizeof buffer, 0) > 0) {
  }
}

bool RawConnection::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    DropReceived();
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno != EAGAIN || (Poll(POLLOUT | POLLIN, kSendPatience) & (POLLOUT | POLLIN)) == 0) {
      return false;
    }
  }
  return true;
}

bool RawConnection::SendWithoutReading(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
    } else if (errno != EAGAIN || (Poll(POLLOUT, kSendPatience) & POLLOUT) == 0) {
      return false;
    }
  }
  return true;
}

std::string RawConnection::Receive(absl::Duration patience) {
  char buffer[65536];
  if (Poll(POLLIN, patience) == 0) return "";
  const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
  return got > 0 ? std::string(buffer, static_cast<size_t>(got)) : "";
}

bool RawConnection::WaitForEnd(absl::Duration patience) {
  for (const absl::Time until = absl::Now() + patience;;) {
    char buffer[16384];
    const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
    if (got > 0) continue;
    if (got == 0 || errno != EAGAIN) return true;
    if (absl::Now() >= until) return false;
    Poll(POLLIN, std::min(until - absl::Now(), absl::Milliseconds(100)));
  }
}

}  // namespace errand
