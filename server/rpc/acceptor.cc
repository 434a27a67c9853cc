#include "server/rpc/acceptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/rpc/guard/meter.h"
#include "server/rpc/guard/metered_sockets.h"
#include "server/rpc/meter_probe.h"
#include "spdlog/spdlog.h"

namespace errand::rpc {
namespace {

// Accepted before the loop looks at what those in the lobby have said; far fewer than have room there.
constexpr int kAtATime = 16;

// One is enough to turn clients away with, unless another thread opens something at that moment.
constexpr size_t kReserve = 8;

constexpr int kLeastLobby = 64;

// What a newcomer of a network may take whose connections were cut again and again.
constexpr double kShareOfSuspects = 0.05;

// More than a client sends before it hears of the server.
constexpr int kNotReadable = 60'000;

// Log lines about connections that are cut, a second.
constexpr int kCutLines = 3;

// How long the listener rests until descriptors have come back, or when not even the reserve helps: then the
// descriptors of the whole system, or the kernel's memory, have run out.
constexpr absl::Duration kRest = absl::Milliseconds(5);

bool IsOutOfResources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

bool HasEnded(int socket) {
  pollfd event{socket, POLLRDHUP, 0};
  return poll(&event, 1, 0) > 0;
}

// From how many bytes on `socket` is said to be readable (socket(7), SO_RCVLOWAT).
void ReadableFrom(const io::Descriptor& socket, int bytes) {
  setsockopt(socket.fd(), SOL_SOCKET, SO_RCVLOWAT, &bytes, sizeof bytes);
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

Acceptor::Acceptor(ListenSockets listening, Connections::Limits limits, const GuardLimits& guard,
                   HandOver hand_over)
    : totals_(std::make_shared<Totals>(guard)),
      cut_log_(std::make_shared<ThrottledLog>(kCutLines)),
      suspects_(std::make_shared<Suspects>()),
      hand_over_(std::move(hand_over)) {
  socklen_t size = sizeof address_;
  getsockname(listening.sockets.at(0).fd(), reinterpret_cast<sockaddr*>(&address_), &size);
  RunOn(loop_, [&] {
    connections_ = std::make_unique<Connections>(&loop_, limits, totals_);
    totals_->SetOnExcess([this] { loop_.Post([this] { connections_->EndExcess(); }); });
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
  totals_->SetOnExcess(nullptr);
  RunOn(loop_, [this] {
    lobby_.reset();
    connections_.reset();
    failures_.reset();
    resume_.reset();
  });
}

void Acceptor::CheckMetering() {
  const absl::StatusOr<MeterProbe> probe = MeterProbe::Open(address_);
  if (!probe.ok()) {
    spdlog::warn("it is not known whether connections are metered: {}",
                 std::string(probe.status().message()));
    return;
  }
  bool metered = false;
  RunOn(loop_, [&] { metered = connections_->IsMetered(probe->address()); });
  if (!metered) {
    spdlog::error(
        "connections are not metered, this errandd was linked in a way that does not allow it: "
        "hostile clients can take its memory");
  }
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
  const double now = Meter::Now();
  if (!suspects_->Admit(peer.network(), now) || !connections_->MakeRoom(peer)) return false;
  const double share = suspects_->Contains(peer.network(), now) ? kShareOfSuspects : 1;
  auto meter = std::make_shared<Meter>(totals_, share, now,
                                       [log = cut_log_, suspects = suspects_, peer](absl::string_view why) {
                                         log->Warn(absl::StrCat("closed ", peer.ToString(), ": it ", why));
                                         suspects->OnCut(peer.network(), Meter::Now());
                                       });
  const absl::Status added = connections_->Add(peer, socket.fd(), meter);
  if (added.ok()) {
    MeteredSockets::Attach(socket.fd(), std::move(meter));
    hand_over_loop_.Post([this, fd = socket.Release()] { HandOverUnread(fd); });
  } else {
    failures_->Happened(added.message());
    connections_->GiveBackDescriptors();
    socket.Close();
  }
  return true;
}

void Acceptor::HandOverUnread(int socket) {
  if (HasEnded(socket)) {  // gRPC would only complain.
    close(socket);
    return;
  }
  // gRPC may have closed its own, and the number be another's, when it returns.
  const io::Descriptor same(fcntl(socket, F_DUPFD_CLOEXEC, 0));
  ReadableFrom(same, kNotReadable);
  hand_over_(socket);
  ReadableFrom(same, 1);
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
