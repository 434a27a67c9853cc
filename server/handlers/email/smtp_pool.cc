#include "server/handlers/email/smtp_pool.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace errand::handlers {
namespace {

using Blame = SmtpFailure::Blame;
using Kind = SmtpFailure::Kind;

// New connections at once to a server that has none yet.
constexpr int kFirstConnections = 4;

}  // namespace

SmtpPool::SmtpPool(const Settings* settings, io::Loop* loop, Owner* owner)
    : settings_(settings),
      loop_(loop),
      owner_(owner),
      resolver_(loop, settings->connection.server),
      cap_(settings->connections),
      raise_timer_(loop, [this] { Raise(); }),
      try_timer_(loop, [this] { Dispatch(); }),
      limit_(settings->connections) {}

SmtpPool::~SmtpPool() = default;

absl::Duration SmtpPool::Crowded() const {
  if (static_cast<int>(line_.size()) < settings_->connections) return absl::ZeroDuration();
  return trouble_ == Trouble::kNone ? absl::Seconds(1) : std::max(wait_, absl::Seconds(1));
}

void SmtpPool::Add(Delivery* delivery) {
  line_.push_back(delivery);
  Dispatch();
}

void SmtpPool::End(Delivery* delivery, const SmtpFailure& failure, bool unless_handed_over) {
  if (const auto serving = serving_.find(delivery); serving != serving_.end()) {
    SmtpConnection* const connection = serving->second;
    if (!unless_handed_over || !connection->has_handed_over()) connection->Fail(failure);
    return;
  }
  line_.erase(std::find(line_.begin(), line_.end(), delivery));
  delivery->Fail(failure);
  owner_->OnDone(delivery);
}

void SmtpPool::CloseAll() {
  if (std::exchange(closing_, true)) return;
  raise_timer_.Cancel();
  try_timer_.Cancel();
  std::vector<SmtpConnection*> open;  // Each takes itself out of connections_.
  for (const auto& connection : connections_) open.push_back(connection.get());
  for (SmtpConnection* connection : open) {
    // A good-bye that nobody waits for an answer to.
    if (connection->is_idle()) connection->Quit();
    connection->Abandon();
  }
  ScheduleReap();
}

void SmtpPool::Dispatch() {
  while (!line_.empty() && !closing_) {
    while (!idle_.empty() && !idle_.back()->is_idle()) idle_.pop_back();
    // Whoever was taken back from a dead connection gets a new one; but none is opened for the sake of it.
    const bool wants_new = line_.front()->taken_back();
    if (trouble_ == Trouble::kNone && !idle_.empty() && !wants_new) {
      SmtpConnection* const connection = idle_.back();
      idle_.pop_back();
      Delivery* const delivery = line_.front();
      line_.pop_front();
      Serve(connection, delivery);
      connection->Deliver(delivery);
      continue;
    }
    if (!MayOpen()) return;
    connections_.push_back(std::make_unique<SmtpConnection>(
        &settings_->connection, loop_, &resolver_, static_cast<SmtpConnection::Owner*>(this), generation_));
    SmtpConnection* const connection = connections_.back().get();
    if (trouble_ != Trouble::kNone) probe_ = connection;
    Delivery* const delivery = line_.front();
    line_.pop_front();
    Serve(connection, delivery);
    connection->Open(delivery);
  }
}

bool SmtpPool::MayOpen() {
  if (trouble_ != Trouble::kNone && (probe_ != nullptr || try_timer_.is_set())) return false;
  const auto connecting = std::count_if(connections_.begin(), connections_.end(),
                                        [](const auto& one) { return !one->is_up() && !one->is_quitting(); });
  if (connecting >= std::max(kFirstConnections, CountUp(nullptr))) return false;
  if (static_cast<int>(connections_.size()) < cap_) return true;
  // A connection that has nothing to do must not make it one too many for the server.
  for (const auto& connection : connections_) {
    if (!connection->is_quitting()) continue;
    connection->Abandon();
    return static_cast<int>(connections_.size()) < cap_;
  }
  if (idle_.empty()) return false;
  idle_.front()->Abandon();
  return static_cast<int>(connections_.size()) < cap_;
}

void SmtpPool::Serve(SmtpConnection* connection, Delivery* delivery) {
  serving_[delivery] = connection;
  delivery->RunClock();
}

void SmtpPool::WaitAgain(Delivery* delivery) {
  delivery->StopClock();
  line_.push_front(delivery);
}

void SmtpPool::OnUp(SmtpConnection* /*connection*/) {
  // Settings may be wrong for mails alone: one has to get through.
  if (trouble_ == Trouble::kBusy) {
    probe_ = nullptr;
    LeaveTrouble();
  }
  Dispatch();
}

void SmtpPool::OnIdle(SmtpConnection* connection) {
  if (connection->delivered() >= settings_->mails_a_connection || closing_ ||
      static_cast<int>(connections_.size()) > cap_) {
    connection->Quit();
  } else if (std::find(idle_.begin(), idle_.end(), connection) == idle_.end()) {
    idle_.push_back(connection);
    if (line_.empty() && trouble_ == Trouble::kNone) TakeFromConnecting();
  }
  Dispatch();
}

void SmtpPool::TakeFromConnecting() {
  const auto entry = std::find_if(serving_.begin(), serving_.end(), [](const auto& one) {
    return !one.second->is_up() && !one.first->taken_back();
  });
  if (entry == serving_.end()) return;
  Delivery* const delivery = entry->second->Release();
  serving_.erase(entry);
  WaitAgain(delivery);
}

void SmtpPool::OnDelivered(SmtpConnection* connection, Delivery* delivery) {
  serving_.erase(delivery);
  if (probe_ == connection) {
    probe_ = nullptr;
    if (connection->is_up()) {
      LeaveTrouble();
    } else {
      TryLater();
    }
  }
  owner_->OnDone(delivery);
}

void SmtpPool::OnReturned(SmtpConnection* connection, Delivery* delivery,
                          const std::optional<SmtpFailure>& failure) {
  serving_.erase(delivery);
  if (probe_ == connection) probe_ = nullptr;
  if (!failure.has_value()) {
    DropIdle();  // What has closed one connection has closed those, too.
    WaitAgain(delivery);
    return Dispatch();
  }
  const int up = CountUp(connection);
  const bool broke_off = failure->kind == Kind::kProtocolError && !connection->is_up() && up > 0;
  switch (broke_off ? Blame::kBusy : failure->blame) {
    case Blame::kSetting:
      delivery->Say(absl::StrCat("waits for the mail server's settings to be right: ", failure->text));
      WaitAgain(delivery);
      return EnterTrouble(Trouble::kSettings, *failure);
    case Blame::kBusy:
      if (up > 0) {
        if (connection->generation() == generation_) Lower(up);
        WaitAgain(delivery);
        return Dispatch();
      }
      EnterTrouble(Trouble::kBusy, *failure);
      if (failure->kind != Kind::kUnreachable ||
          clock::Instant::Now() - trouble_since_ < settings_->unreachable_after) {
        delivery->Say(absl::StrCat("waits for the mail server: ", failure->text));
        return WaitAgain(delivery);
      }
      break;
    case Blame::kMail:
      if (trouble_ != Trouble::kNone) TryLater();
      break;
  }
  delivery->StopClock();
  delivery->Fail(*failure);
  owner_->OnDone(delivery);
}

void SmtpPool::OnClosed(SmtpConnection* connection) {
  if (probe_ == connection) probe_ = nullptr;
  idle_.erase(std::remove(idle_.begin(), idle_.end(), connection), idle_.end());
  const auto entry = std::find_if(connections_.begin(), connections_.end(),
                                  [connection](const auto& owned) { return owned.get() == connection; });
  ended_.push_back(std::move(*entry));
  connections_.erase(entry);
  ScheduleReap();
}

void SmtpPool::ScheduleReap() {
  if (std::exchange(reap_scheduled_, true)) return;
  loop_->Post([this] { Reap(); });
}

void SmtpPool::Reap() {
  reap_scheduled_ = false;
  ended_.clear();
  if (closing_) {
    if (connections_.empty() && !std::exchange(empty_, true)) owner_->OnEmpty();
    return;
  }
  Dispatch();
}

void SmtpPool::DropIdle() {
  for (SmtpConnection* connection : std::exchange(idle_, {})) connection->Abandon();
}

int SmtpPool::CountUp(const SmtpConnection* except) const {
  return static_cast<int>(
      std::count_if(connections_.begin(), connections_.end(), [except](const auto& connection) {
        return connection.get() != except && connection->is_up() && !connection->is_quitting();
      }));
}

void SmtpPool::Lower(int up) {
  const int lower = std::max(1, std::max(cap_ / 2, up));
  raise_timer_.Set(settings_->limit_recovery);
  ++generation_;
  if (lower >= cap_) return;
  cap_ = lower;
  spdlog::info("mail profile {}: {} takes no more than {} connections for now", settings_->name,
               settings_->connection.server.host, cap_);
  SetLimit();
}

void SmtpPool::Raise() {
  ++cap_;
  ++generation_;
  if (cap_ < settings_->connections) raise_timer_.Set(settings_->limit_recovery);
  SetLimit();
  Dispatch();
}

void SmtpPool::EnterTrouble(Trouble trouble, const SmtpFailure& failure) {
  const bool is_new = trouble_ == Trouble::kNone;
  if (is_new) {
    trouble_since_ = clock::Instant::Now();
    wait_ = absl::ZeroDuration();
  }
  trouble_ = trouble;
  // Several connections may have come to it at the same time.
  if (try_timer_.is_set()) return;
  TryLater();
  SetLimit();
  spdlog::log(is_new ? spdlog::level::warn : spdlog::level::info,
              "mail profile {}: {}; {}, one tries again in {}", settings_->name, failure.text,
              trouble == Trouble::kSettings ? "mails wait until the settings are right"
                                            : "mails wait until it takes connections",
              absl::FormatDuration(wait_));
}

void SmtpPool::TryLater() {
  const absl::Duration longest =
      trouble_ == Trouble::kSettings ? settings_->longest_settings_wait : settings_->longest_busy_wait;
  wait_ = wait_ == absl::ZeroDuration() ? settings_->first_wait : std::min(2 * wait_, longest);
  try_timer_.Set(wait_);
}

void SmtpPool::LeaveTrouble() {
  trouble_ = Trouble::kNone;
  try_timer_.Cancel();
  spdlog::info("mail profile {}: {} takes mail again", settings_->name, settings_->connection.server.host);
  SetLimit();
}

void SmtpPool::SetLimit() {
  in_trouble_.store(trouble_ != Trouble::kNone, std::memory_order_relaxed);
  limit_.store(trouble_ == Trouble::kNone ? cap_ : 1, std::memory_order_relaxed);
  owner_->OnRoom();
}

}  // namespace errand::handlers
