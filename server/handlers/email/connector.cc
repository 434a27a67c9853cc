#include "server/handlers/email/connector.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace errand::handlers {
namespace {

std::string ErrorText(int error) { return std::generic_category().message(error); }

}  // namespace

Connector::Connector(io::Loop* loop, std::vector<SocketAddress> addresses, absl::Duration timeout)
    : loop_(loop),
      addresses_(std::move(addresses)),
      timeout_(timeout),
      timer_(loop, [this] { Failed(absl::StrCat("no answer within ", absl::FormatDuration(timeout_))); }) {}

Connector::~Connector() { Cancel(); }

void Connector::Cancel() {
  Unwatch();
  socket_.Close();
}

void Connector::Start(Done done) {
  done_ = std::move(done);
  TryNext();
}

void Connector::TryNext() {
  while (next_ < addresses_.size()) {
    const SocketAddress& address = addresses_[next_++];
    socket_ = Socket(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    int error = 0;
    if (!socket_.is_open()) {
      error = errno;
    } else {
      // Commands are small and each waits for its reply: Nagle's algorithm would only delay them.
      const int on = 1;
      setsockopt(socket_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      if (connect(socket_.fd(), address.get(), address.size()) == 0) return Succeeded();
      error = errno;
    }
    if (error == EINPROGRESS) {
      const absl::Status status = loop_->Add(socket_.fd(), EPOLLOUT, this);
      if (status.ok()) {
        watching_ = true;
        timer_.Set(timeout_);
        return;
      }
      absl::StrAppend(&problems_, problems_.empty() ? "" : "; ", address.ToString(), ": ", status.message());
    } else {
      absl::StrAppend(&problems_, problems_.empty() ? "" : "; ", address.ToString(), ": ", ErrorText(error));
    }
    socket_.Close();
  }
  done_(absl::UnavailableError(absl::StrCat("the mail server cannot be reached: ", problems_)));
}

void Connector::OnReady(uint32_t /*events*/) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error == 0) {
    Succeeded();
  } else {
    Failed(ErrorText(error));
  }
}

void Connector::Failed(absl::string_view problem) {
  Unwatch();
  socket_.Close();
  absl::StrAppend(&problems_, problems_.empty() ? "" : "; ", addresses_[next_ - 1].ToString(), ": ", problem);
  TryNext();
}

void Connector::Succeeded() {
  Unwatch();
  done_(std::move(socket_));
}

void Connector::Unwatch() {
  timer_.Cancel();
  if (std::exchange(watching_, false)) loop_->Remove(socket_.fd(), this);
}

}  // namespace errand::handlers
