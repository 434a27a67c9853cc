#include "server/rpc/acceptor.h"

#include <fcntl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "spdlog/spdlog.h"

namespace errand::rpc {
namespace {

// Accepted before the loop looks at what those in the lobby have said; far fewer than have room there.
constexpr int kAtATime = 16;

// One is enough to turn clients away with, unless another thread opens something at that moment.
constexpr size_t kReserve = 8;

constexpr int kLeastLobby = 64;

// How long the listener rests until descriptors have come back, or when not even the reserve helps: then the
// descriptors of the whole system, or the kernel's memory, have run out.
constexpr absl::Duration kRest = absl::Milliseconds(5);

bool IsOutOfResources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void RunOn(io::Loop& loop, absl::AnyInvocable<void()> work) {
  absl::Notification done;
  loop.Post([&] {
    work();
    done.Notify();
  });
  done.WaitForNotification();
}

}  // namespace

class Acceptor::Listener final : public io::FdHandler {
 public:
  Listener(Acceptor* acceptor, io::Descriptor socket) : acceptor_(acceptor), socket_(std::move(socket)) {}

  void OnReady(uint32_t) override { acceptor_->Accept(socket_.fd()); }
  int fd() const { return socket_.fd(); }

 private:
  Acceptor* const acceptor_;
  const io::Descriptor socket_;
};

Acceptor::Acceptor(ListenSockets listening, Connections::Limits limits, HandOver hand_over)
    : hand_over_(std::move(hand_over)) {
  RunOn(loop_, [&] {
    connections_ = std::make_unique<Connections>(&loop_, limits);
    const auto lobby_capacity = static_cast<size_t>(std::max(kLeastLobby, limits.all / 4));
    lobby_ = std::make_unique<Lobby>(
        &loop_, lobby_capacity,
        [this](io::Descriptor& socket, const PeerAddress& peer) { return Admit(socket, peer); });
    failures_ = std::make_unique<LogEpisode>(&loop_, "connections are accepted again; failures meanwhile");
    resume_ = std::make_unique<io::Timer>(&loop_, [this] { Resume(); });
    FillReserve();
    for (io::Descriptor& socket : listening.sockets) {
      listeners_.push_back(std::make_unique<Listener>(this, std::move(socket)));
    }
    Resume();
  });
}

Acceptor::~Acceptor() {
  StopListening();
  RunOn(loop_, [this] {
    lobby_.reset();
    connections_.reset();
    failures_.reset();
    resume_.reset();
  });
}

void Acceptor::StopListening() {
  RunOn(loop_, [this] {
    Pause();
    listeners_.clear();
    lobby_.reset();
  });
  hand_over_loop_.Stop();
}

void Acceptor::Pause() {
  resume_->Cancel();
  for (const auto& listener : listeners_) loop_.Remove(listener->fd(), listener.get());
}

void Acceptor::Resume() {
  for (const auto& listener : listeners_) {
    const absl::Status added = loop_.Add(listener->fd(), EPOLLIN, listener.get());
    if (!added.ok()) spdlog::error("{}", std::string(added.message()));
  }
}

void Acceptor::Accept(int listener) {
  for (int i = 0; i < kAtATime; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    io::Descriptor socket(
        accept4(listener, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.is_open()) {
      lobby_->Enter(std::move(socket), PeerAddress(address));
    } else if (errno == EAGAIN) {
      return;
    } else if (IsOutOfResources(errno)) {
      failures_->Happened(absl::StrCat("cannot accept a connection: ", std::strerror(errno)));
      if (lobby_->GiveBackDescriptors()) continue;  // At once; connections only when gRPC has closed them.
      if (connections_->GiveBackDescriptors() || !TurnAway(listener)) {
        Pause();
        resume_->Set(kRest);
        return;
      }
    }
    // Every other error is of one connection, which is gone (accept(2), "Error handling").
  }
}

bool Acceptor::Admit(io::Descriptor& socket, const PeerAddress& peer) {
  if (!connections_->MakeRoom(peer)) return false;
  const absl::Status added = connections_->Add(peer, socket.fd());
  if (added.ok()) {
    hand_over_loop_.Post([this, fd = socket.Release()] { hand_over_(fd); });
  } else {
    failures_->Happened(added.message());
    connections_->GiveBackDescriptors();
    socket.Close();
  }
  return true;
}

bool Acceptor::TurnAway(int listener) {
  if (!reserve_.empty()) reserve_.pop_back();
  io::Descriptor turned_away(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  const bool helped = turned_away.is_open() || !IsOutOfResources(errno);
  turned_away.Close();
  FillReserve();
  return helped;
}

void Acceptor::FillReserve() {
  while (reserve_.size() < kReserve) {
    io::Descriptor spare(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!spare.is_open()) return;
    reserve_.push_back(std::move(spare));
  }
}

}  // namespace errand::rpc
