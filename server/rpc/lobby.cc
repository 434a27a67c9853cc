#include "server/rpc/lobby.h"

#include <sys/epoll.h>

#include <chrono>
#include <iterator>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "spdlog/spdlog.h"

namespace errand::rpc {
namespace {

using Clock = std::chrono::steady_clock;

// How long a connection may say nothing, or wait.
constexpr std::chrono::seconds kPatience(5);
constexpr absl::Duration kLook = absl::Seconds(1);

// How soon those that wait try again.
constexpr absl::Duration kRetry = absl::Milliseconds(5);

}  // namespace

class Lobby::Guest final : public io::FdHandler {
 public:
  Guest(Lobby* lobby, io::Descriptor connection, const PeerAddress& address)
      : socket(std::move(connection)), peer(address), came(Clock::now()), lobby_(lobby) {}

  void OnReady(uint32_t events) override { lobby_->OnReady(*this, events); }

  io::Descriptor socket;
  const PeerAddress peer;
  const Clock::time_point came;
  bool waits = false;
  Guests::iterator self;

 private:
  Lobby* const lobby_;
};

Lobby::Lobby(io::Loop* loop, size_t capacity, Admit admit)
    : loop_(loop),
      capacity_(capacity),
      admit_(std::move(admit)),
      retry_(loop, [this] { AdmitThoseThatWait(); }),
      late_(loop, [this] { TurnOutLate(); }),
      turned_out_(loop, "connections that said nothing or found no room, closed meanwhile") {}

Lobby::~Lobby() {
  while (!guests_.empty()) Remove(guests_.begin());
}

void Lobby::Enter(io::Descriptor socket, const PeerAddress& peer) {
  if (guests_.size() >= capacity_) TurnOut(guests_.begin());
  Guest& guest = guests_.emplace_back(this, std::move(socket), peer);
  guest.self = std::prev(guests_.end());
  const absl::Status added = loop_->Add(guest.socket.fd(), EPOLLIN | EPOLLRDHUP, &guest);
  if (!added.ok()) {
    spdlog::error("{}", std::string(added.message()));
    guests_.pop_back();
    return;
  }
  if (!late_.is_set()) late_.Set(kLook);
}

bool Lobby::GiveBackDescriptors() {
  if (guests_.empty()) return false;
  for (size_t count = guests_.size() / 4 + 1; count > 0; --count) TurnOut(guests_.begin());
  return true;
}

void Lobby::OnReady(Guest& guest, uint32_t events) {
  // A client that has closed its side wants nothing, whatever it sent before.
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
    Remove(guest.self);
    return;
  }
  // Not by this loop any more, if it is admitted. Those that wait already came before it.
  loop_->Remove(guest.socket.fd(), &guest);
  if (waiting_ == 0 && admit_(guest.socket, guest.peer)) {
    guests_.erase(guest.self);
    return;
  }
  guest.waits = true;
  ++waiting_;
  if (!loop_->Add(guest.socket.fd(), EPOLLRDHUP, &guest).ok()) {
    Remove(guest.self);
  } else if (!retry_.is_set()) {
    retry_.Set(kRetry);
  }
}

void Lobby::AdmitThoseThatWait() {
  absl::flat_hash_set<PeerAddress::Network> full;
  for (auto guest = guests_.begin(); guest != guests_.end();) {
    const auto next = std::next(guest);
    if (guest->waits && !full.contains(guest->peer.network())) {
      loop_->Remove(guest->socket.fd(), &*guest);
      if (admit_(guest->socket, guest->peer)) {
        --waiting_;
        guests_.erase(guest);
      } else {
        full.insert(guest->peer.network());
        if (!loop_->Add(guest->socket.fd(), EPOLLRDHUP, &*guest).ok()) Remove(guest);
      }
    }
    guest = next;
  }
  if (waiting_ > 0) retry_.Set(kRetry);
}

void Lobby::TurnOutLate() {
  const Clock::time_point latest = Clock::now() - kPatience;
  while (!guests_.empty() && guests_.front().came <= latest) TurnOut(guests_.begin());
  if (!guests_.empty()) late_.Set(kLook);
}

void Lobby::TurnOut(Guests::iterator guest) {
  turned_out_.Happened(absl::StrCat("a connection of ", guest->peer.ToString(),
                                    guest->waits ? " finds no room" : " says nothing", " and is closed"));
  Remove(guest);
}

void Lobby::Remove(Guests::iterator guest) {
  if (guest->waits) --waiting_;
  loop_->Remove(guest->socket.fd(), &*guest);
  guests_.erase(guest);
}

}  // namespace errand::rpc
