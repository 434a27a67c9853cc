#include "server/handlers/email/connector.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace errand::handlers {
namespace {

// RFC 8305 section 5: "Connection Attempt Delay".
constexpr absl::Duration kNextAfter = absl::Milliseconds(250);

// The families take turns, that of the best address first (RFC 8305 section 4).
std::vector<SocketAddress> Interleaved(const std::vector<SocketAddress>& addresses) {
  std::vector<SocketAddress> first;
  std::vector<SocketAddress> other;
  for (const SocketAddress& address : addresses) {
    (address.family() == addresses.front().family() ? first : other).push_back(address);
  }
  std::vector<SocketAddress> mixed;
  for (size_t i = 0; i < std::max(first.size(), other.size()); ++i) {
    if (i < first.size()) mixed.push_back(first[i]);
    if (i < other.size()) mixed.push_back(other[i]);
  }
  return mixed;
}

}  // namespace

// One address that is being connected to.
class Connector::Try : private io::FdHandler {
 public:
  Try(Connector* owner, const SocketAddress& address)
      : owner_(owner), address_(address), timer_(owner->loop_, [this] { owner_->Failed(this, ETIMEDOUT); }) {}

  ~Try() override { Unwatch(); }

  // 0, EINPROGRESS, or what went wrong.
  int Start() {
    socket_ = Socket(socket(address_.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket_.is_open()) return errno;
    // Commands are small and each waits for its reply: Nagle's algorithm would only delay them.
    const int on = 1;
    setsockopt(socket_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(socket_.fd(), address_.get(), address_.size()) == 0) return 0;
    if (errno != EINPROGRESS) return errno;
    if (!owner_->loop_->Add(socket_.fd(), EPOLLOUT, this).ok()) return ENOMEM;
    watching_ = true;
    timer_.Set(owner_->timeout_);
    return EINPROGRESS;
  }

  const SocketAddress& address() const { return address_; }

  Socket TakeSocket() {
    Unwatch();
    return std::move(socket_);
  }

 private:
  void OnReady(uint32_t /*events*/) override {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(socket_.fd(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    if (error == 0) {
      owner_->Succeeded(this);
    } else {
      owner_->Failed(this, error);
    }
  }

  void Unwatch() {
    timer_.Cancel();
    if (std::exchange(watching_, false)) owner_->loop_->Remove(socket_.fd(), this);
  }

  Connector* const owner_;
  const SocketAddress address_;
  Socket socket_;
  bool watching_ = false;
  io::Timer timer_;
};

Connector::Connector(io::Loop* loop, std::vector<SocketAddress> addresses, absl::Duration timeout)
    : loop_(loop),
      addresses_(Interleaved(addresses)),
      timeout_(timeout),
      next_timer_(loop, [this] { StartNext(); }) {}

Connector::~Connector() { Cancel(); }

void Connector::Cancel() {
  next_timer_.Cancel();
  tries_.clear();
}

void Connector::Start(Done done) {
  done_ = std::move(done);
  StartNext();
}

void Connector::StartNext() {
  while (next_ < addresses_.size()) {
    auto one = std::make_unique<Try>(this, addresses_[next_++]);
    const int error = one->Start();
    if (error == 0) return Succeeded(one.get());
    if (error == EINPROGRESS) {
      tries_.push_back(std::move(one));
      if (next_ < addresses_.size()) next_timer_.Set(kNextAfter);
      return;
    }
    result_.refused |= error == ECONNREFUSED;
    AddProblem(one->address(), std::generic_category().message(error));
  }
  if (!tries_.empty()) return;  // One of them may still succeed.
  result_.problem = absl::StrCat("the mail server cannot be reached: ", result_.problem);
  done_(std::move(result_));
}

void Connector::Failed(Try* one, int error) {
  result_.refused |= error == ECONNREFUSED;
  AddProblem(one->address(), error == ETIMEDOUT
                                 ? absl::StrCat("no answer within ", absl::FormatDuration(timeout_))
                                 : std::generic_category().message(error));
  tries_.erase(std::find_if(tries_.begin(), tries_.end(),
                            [one](const std::unique_ptr<Try>& other) { return other.get() == one; }));
  next_timer_.Cancel();
  StartNext();
}

void Connector::Succeeded(Try* one) {
  result_.socket = one->TakeSocket();
  result_.address = one->address().ToString();
  result_.problem.clear();
  Cancel();
  done_(std::move(result_));
}

void Connector::AddProblem(const SocketAddress& address, absl::string_view problem) {
  absl::StrAppend(&result_.problem, result_.problem.empty() ? "" : "; ", address.ToString(), ": ", problem);
}

}  // namespace errand::handlers
