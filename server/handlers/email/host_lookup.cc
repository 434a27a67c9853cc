#include "server/handlers/email/host_lookup.h"

#include <ares.h>
#include <sys/epoll.h>
#include <sys/time.h>

#include <algorithm>
#include <utility>

#include "absl/base/call_once.h"
#include "absl/strings/str_cat.h"

namespace errand::handlers {

// A socket of c-ares, which the loop watches.
class HostLookup::Watched : public io::FdHandler {
 public:
  Watched(HostLookup* lookup, int fd) : lookup_(lookup), fd_(fd) {}

  void OnReady(uint32_t events) override {
    constexpr uint32_t kBroken = EPOLLERR | EPOLLHUP;
    // Destroys this object when c-ares closes the socket.
    lookup_->Process(events & (EPOLLIN | kBroken) ? fd_ : ARES_SOCKET_BAD,
                     events & (EPOLLOUT | kBroken) ? fd_ : ARES_SOCKET_BAD);
  }

 private:
  HostLookup* const lookup_;
  const int fd_;
};

HostLookup::HostLookup(io::Loop* loop, ServerAddress server)
    : loop_(loop),
      server_(std::move(server)),
      timer_(loop, [this] { Process(ARES_SOCKET_BAD, ARES_SOCKET_BAD); }) {}

HostLookup::~HostLookup() {
  done_ = nullptr;
  if (channel_ != nullptr) ares_destroy(channel_);  // Ends the query, and closes its sockets.
}

void HostLookup::Start(Done done) {
  // c-ares 1.18 asks DNS for the name "192.0.2.1" when both families will do.
  if (const auto address = SocketAddress::Parse(server_.host, server_.port); address.has_value()) {
    return done(HostAddresses{{*address}, absl::InfiniteDuration()});
  }
  static absl::once_flag once;
  absl::call_once(once, [] { ares_library_init(ARES_LIB_INIT_ALL); });
  done_ = std::move(done);
  ares_options options{};
  options.timeout = 2000;  // For the first try, in milliseconds; each further one has twice as long.
  options.sock_state_cb_data = this;
  options.sock_state_cb = [](void* self, ares_socket_t fd, int readable, int writable) {
    static_cast<HostLookup*>(self)->OnSocketState(fd, readable != 0, writable != 0);
  };
  if (const int status = ares_init_options(&channel_, &options, ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS);
      status != ARES_SUCCESS) {
    channel_ = nullptr;
    OnAnswer(status, nullptr);
    return;
  }
  ares_addrinfo_hints hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = ARES_AI_NUMERICSERV;
  ares_getaddrinfo(
      channel_, server_.host.c_str(), absl::StrCat(server_.port).c_str(), &hints,
      [](void* self, int status, int /*timeouts*/, ares_addrinfo* answer) {
        static_cast<HostLookup*>(self)->OnAnswer(status, answer);
      },
      this);
  ArmTimer();
}

void HostLookup::OnSocketState(int fd, bool readable, bool writable) {
  const auto entry = watched_.find(fd);
  if (!readable && !writable) {
    if (entry == watched_.end()) return;
    loop_->Remove(fd, entry->second.get());
    watched_.erase(entry);
    return;
  }
  const uint32_t events = (readable ? EPOLLIN : 0u) | (writable ? EPOLLOUT : 0u);
  // A socket that cannot be watched stays silent, and the query ends by its timeout.
  if (entry != watched_.end()) {
    loop_->Modify(fd, events, entry->second.get()).IgnoreError();
    return;
  }
  auto watched = std::make_unique<Watched>(this, fd);
  if (loop_->Add(fd, events, watched.get()).ok()) watched_.emplace(fd, std::move(watched));
}

void HostLookup::OnAnswer(int status, ares_addrinfo* answer) {
  HostAddresses found{{}, absl::InfiniteDuration()};
  if (answer != nullptr) {
    for (const ares_addrinfo_node* node = answer->nodes; node != nullptr; node = node->ai_next) {
      if (node->ai_family == AF_INET || node->ai_family == AF_INET6) {
        found.addresses.emplace_back(node->ai_addr, node->ai_addrlen);
        found.ttl = std::min(found.ttl, absl::Seconds(node->ai_ttl));
      }
    }
    ares_freeaddrinfo(answer);
  }
  Done done = std::exchange(done_, nullptr);
  if (!done) return;
  if (found.addresses.empty()) {
    done(absl::UnavailableError(absl::StrCat("mail server '", server_.host, "' cannot be resolved: ",
                                             ares_strerror(status == ARES_SUCCESS ? ARES_ENODATA : status))));
  } else {
    done(std::move(found));
  }
}

void HostLookup::Process(int readable_fd, int writable_fd) {
  ares_process_fd(channel_, readable_fd, writable_fd);
  ArmTimer();
}

void HostLookup::ArmTimer() {
  timeval wait;
  if (ares_timeout(channel_, nullptr, &wait) == nullptr) {
    timer_.Cancel();
  } else {
    timer_.Set(absl::DurationFromTimeval(wait));
  }
}

}  // namespace errand::handlers
