#include "server/handlers/lua/lua_handler.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/handlers/lua/lua_worker.h"
#include "server/task/limits.h"
#include "spdlog/spdlog.h"

namespace errand::handlers {
namespace {

// What a process takes that runs nothing, or has run something.
constexpr size_t kIdleProcessBytes = size_t{8} << 20;
// The requests that one claim brings have so many bytes.
constexpr int64_t kMaxClaimBytes = int64_t{16} << 20;
// A script that was asked to give way and could is parked within so much CPU time,
constexpr absl::Duration kObedience = absl::Milliseconds(5);
// and nobody waits longer for it.
constexpr absl::Duration kPatience = absl::Milliseconds(50);
// When the places are taken: so many queues that have nothing in hand get one each.
constexpr int kMaxNewQueues = 16;

size_t BytesForScripts(const LuaHandlerOptions& options) {
  const size_t idle = static_cast<size_t>(options.workers + options.spares) * kIdleProcessBytes;
  return std::max(options.process_bytes / 2, options.process_bytes - std::min(options.process_bytes, idle));
}

// The largest limit whose CapacityFor is at most `bytes`.
int64_t LimitFor(size_t bytes) {
  return std::max(task::kMinMemoryBytes, (static_cast<int64_t>(bytes) - (int64_t{1} << 20)) / 3 * 2);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LuaHandler>> LuaHandler::Create(LuaHandlerOptions options, Zygote* zygote) {
  if (options.workers < 1 || options.spares < 0) {
    return absl::InvalidArgumentError("Lua needs at least one worker and no negative number of spares");
  }
  if (options.process_bytes < kMinProcessBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("Lua needs at least ", kMinProcessBytes, " bytes for its processes"));
  }
  std::unique_ptr<LuaHandler> handler(new LuaHandler(std::move(options), zygote));
  zygote->loop()->Post([handler = handler.get()] { handler->StartMissing(); });
  absl::Status failure;
  {
    LuaHandler& self = *handler;
    absl::MutexLock lock(&self.mu_);
    const auto decided = [&self]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(self.mu_) {
      return self.any_ready_ || !self.start_failure_.ok();
    };
    self.mu_.Await(absl::Condition(&decided));
    if (self.any_ready_) return handler;
    failure = self.start_failure_;
  }
  return absl::FailedPreconditionError(failure.message());
}

LuaHandler::LuaHandler(LuaHandlerOptions options, Zygote* zygote)
    : options_(std::move(options)),
      script_bytes_(BytesForScripts(options_)),
      max_memory_bytes_(LimitFor(script_bytes_ / 2)),
      zygote_(zygote),
      loop_(zygote->loop()),
      backoff_(std::make_unique<io::Timer>(loop_, [this] { StartMissing(); })),
      clock_(std::make_unique<io::Timer>(loop_, [this] { OnClock(); })) {}

LuaHandler::~LuaHandler() {
  absl::Notification done;
  loop_->Post([this, &done] {
    ShutDown();
    done.Notify();
  });
  done.WaitForNotification();
}

LuaHandler::Statistics LuaHandler::GetStatistics() {
  absl::MutexLock lock(&mu_);
  return {parked_.size(), kept_bytes_, static_cast<size_t>(held_), held_bytes_, resumed_, moved_};
}

// --- room ---

task::Room LuaHandler::GetRoom() {
  task::Room room;
  room.bytes = kMaxClaimBytes;
  absl::MutexLock lock(&mu_);
  const int64_t fitting =
      absl::ToInt64Nanoseconds(kSlice) / std::max<int64_t>(1, absl::ToInt64Nanoseconds(turn_));
  const int places = options_.workers * static_cast<int>(std::clamp<int64_t>(fitting, kSharing, kMaxBatch));
  // Attempts that had a turn already, or cannot have one now, keep nobody out.
  int taken = 0;
  shares_.ForEach([&](const Share& share) {
    mu_.AssertHeld();
    if (MayBegin(share)) taken += static_cast<int>(share.fresh.size()) + share.fed;
  });
  room.tasks = places - taken;
  if (room.tasks <= 0) {
    room.tasks = kMaxNewQueues;
    room.tasks_a_queue = 1;
  }
  if (kept_bytes_ > options_.kept_bytes) room.tasks = 0;
  shares_.ForEach([&](const Share& share) {
    mu_.AssertHeld();
    const int in_hand = static_cast<int>(share.in_hand());
    if (!MayBegin(share)) {
      room.queues[share.queue] = {0, v1::HELD_BY_SCRIPT_MEMORY};
    } else if (in_hand > 0) {
      const int left = taken >= places ? 0 : std::max(0, places - in_hand);
      if (left < room.tasks) room.queues[share.queue] = {left, v1::HELD_BY_QUEUE_SHARE};
    }
  });
  return room;
}

bool LuaHandler::MayBegin(const Share& share) const {
  const size_t kept = share.kept_bytes + static_cast<size_t>(share.fed) * sandbox::kMaxDifferenceBytes;
  return MayTakeMore(share.held == 0 ? 0 : share.held + share.processes, held_, kMaxHeld) &&
         MayTakeMore(share.held_bytes, held_bytes_, script_bytes_ / 2) &&
         MayTakeMore(share.kept_bytes == 0 ? 0 : kept, kept_bytes_, options_.kept_bytes);
}

void LuaHandler::SetKept(LuaAttempt& attempt, size_t bytes) {
  Share& share = attempt.share();
  share.kept_bytes += bytes - attempt.kept_bytes();
  kept_bytes_ += bytes - attempt.kept_bytes();
  attempt.set_kept_bytes(bytes);
}

// --- attempts come ---

void LuaHandler::Start(Attempt attempt, std::unique_ptr<AttemptObserver> observer) {
  std::vector<NewAttempt> attempts;
  attempts.push_back({std::move(attempt), std::move(observer)});
  StartAll(std::move(attempts));
}

void LuaHandler::StartAll(std::vector<NewAttempt> attempts) {
  struct Entry {
    std::unique_ptr<LuaAttempt> attempt;
    ScriptCache::Source source;
  };
  std::vector<Entry> entries;
  entries.reserve(attempts.size());
  for (NewAttempt& one : attempts) {
    auto attempt =
        std::make_unique<LuaAttempt>(std::move(one.attempt), std::move(one.observer), max_memory_bytes_);
    const ScriptCache::Source source(attempt->source());
    entries.push_back({std::move(attempt), source});
  }
  absl::Status failure;
  {
    absl::MutexLock lock(&mu_);
    // Unless starting is hopeless, a worker will be ready soon: one is started for each that ended.
    failure = idle_.empty() ? start_failure_ : absl::OkStatus();
    if (!closing_ && failure.ok()) {
      for (auto& [attempt, source] : entries) {
        attempt->set_cached(attempt->registered() == nullptr ? scripts_.FindInline(source)
                                                             : scripts_.Find(attempt->registered()));
        attempt->set_share(shares_.Of(attempt->queue(), attempt->weight()));
        SetKept(*attempt, attempt->bytes());
        const absl::Duration since = attempt->started();
        Enqueue(std::move(attempt), since);
      }
      Dispatch();
      return;
    }
  }
  for (const auto& [attempt, source] : entries) {
    if (failure.ok()) {
      attempt->set_kill_reason(KillReason::kStopped);
      attempt->FinishElsewhere();
    } else {
      attempt->FinishUnstartable(failure);
    }
  }
}

void LuaHandler::Enqueue(std::unique_ptr<LuaAttempt> attempt, absl::Duration since) {
  Share& share = attempt->share();
  shares_.Add(share, attempt->held_by() == nullptr ? Shares::Line::kFresh : Shares::Line::kInPlace,
              {attempt.get(), since});
  const AttemptId id = attempt->id();
  in_hand_[id] = std::move(attempt);
}

// --- where attempts are ---

void LuaHandler::Park(std::unique_ptr<LuaAttempt> attempt) {
  if (attempt->why_parked() == sandbox::Why::kCalls) ++attempt->share().calling;
  parked_.Add(std::move(attempt));
  WatchUntil(parked_.NextDue());
}

std::unique_ptr<LuaAttempt> LuaHandler::LeaveParked(std::unique_ptr<LuaAttempt> taken) {
  if (taken != nullptr && taken->why_parked() == sandbox::Why::kCalls) --taken->share().calling;
  return taken;
}

std::unique_ptr<LuaAttempt> LuaHandler::TakeInHand(LuaAttempt* attempt) {
  const auto found = in_hand_.find(attempt->id());
  if (found == in_hand_.end()) return nullptr;
  std::unique_ptr<LuaAttempt> taken = std::move(found->second);
  in_hand_.erase(found);
  return taken;
}

std::unique_ptr<LuaAttempt> LuaHandler::TakeOut(LuaAttempt* attempt) {
  std::unique_ptr<LuaAttempt> taken = TakeInHand(attempt);
  if (taken == nullptr) taken = LeaveParked(parked_.Take(attempt->id()));
  SetKept(*taken, 0);
  return taken;
}

// For its kill reason; without one it is parked and no process can go on with it.
void LuaHandler::FinishLater(std::unique_ptr<LuaAttempt> attempt) {
  SetKept(*attempt, 0);
  loop_->Post([attempt = std::move(attempt)] {
    if (attempt->kill_reason() == KillReason::kNone) {
      attempt->FinishLost();
    } else {
      attempt->FinishElsewhere();
    }
  });
}

// --- stopping ---

void LuaHandler::Stop(AttemptId id) {
  absl::MutexLock lock(&mu_);
  std::unique_ptr<LuaAttempt> stopped = LeaveParked(parked_.Take(id));
  if (stopped != nullptr && stopped->held_by() != nullptr) {
    LuaAttempt* const attempt = stopped.get();
    in_hand_[id] = std::move(stopped);
    StopInWorker(*attempt->held_by(), *attempt, KillReason::kStopped);
    return;
  }
  if (stopped == nullptr) {
    const auto found = in_hand_.find(id);
    if (found == in_hand_.end()) return;
    LuaAttempt* const attempt = found->second.get();
    for (const auto& worker : workers_) {
      if (worker->Find(id) != nullptr) {
        StopInWorker(*worker, *attempt, KillReason::kStopped);
        return;
      }
    }
    shares_.Remove(attempt->share(), attempt);
    stopped = TakeInHand(attempt);
  }
  stopped->set_kill_reason(KillReason::kStopped);
  FinishLater(std::move(stopped));
}

void LuaHandler::StopInWorker(LuaWorker& worker, LuaAttempt& attempt, KillReason reason) {
  if (attempt.kill_reason() != KillReason::kNone) return;
  attempt.set_kill_reason(reason);
  // Its end comes outside of its queue's turns: it takes no longer than the grace.
  if (worker.holding != LuaWorker::Holding::kNone) shares_.Remove(attempt.share(), &attempt);
  worker.process->Signal(sandbox::kStopSignal, attempt.id());
  if (worker.holding == LuaWorker::Holding::kFrozen) worker.process->Thaw();
  if (worker.batch.front() == &attempt) SetGrace(worker);
}

// One behind the first is not begun when its turn comes: the first one's process need not end for it.
void LuaHandler::SetGrace(LuaWorker& worker) {
  const bool ends = !worker.batch.empty() && worker.batch.front()->kill_reason() != KillReason::kNone;
  worker.kill_at = ends ? LuaAttempt::MonotonicNow() + kGrace : absl::InfiniteDuration();
  WatchUntil(worker.kill_at);
}

void LuaHandler::Kill(LuaWorker& worker) {
  worker.state = LuaWorker::State::kEnding;
  worker.process->Kill();
}

// --- time ---

void LuaHandler::WatchUntil(absl::Duration time) {
  // One timer for all: as a rule it is set for something earlier already, and nobody has to wake the loop.
  if (time >= watched_until_) return;
  watched_until_ = time;
  loop_->Post([this] { OnClock(); });
}

void LuaHandler::OnClock() {
  if (clock_ == nullptr) return;
  bool missing = false;
  {
    absl::MutexLock lock(&mu_);
    watched_until_ = absl::ZeroDuration();  // Whatever comes up meanwhile is seen below.
    const absl::Duration now = LuaAttempt::MonotonicNow();
    while (auto attempt = LeaveParked(parked_.TakeDue(now))) Resume(std::move(attempt), now);
    absl::Duration look_again = parked_.NextDue();
    // Whose turn it would be if somebody gave way.
    Turn next = NextTurn(now);
    if (next.share != nullptr && Running() < options_.workers) {
      const LuaAttempt& attempt = *FrontOf(next).attempt;
      if (HasMemoryFor(attempt, attempt.held_by())) next.share = nullptr;
    }
    for (const auto& worker : workers_) {
      if (worker->state != LuaWorker::State::kBusy) continue;
      if (worker->holding == LuaWorker::Holding::kNone) {
        for (LuaAttempt* attempt : worker->batch) {
          if (attempt->deadline() <= now) StopInWorker(*worker, *attempt, KillReason::kTimeout);
          if (attempt->deadline() > now) look_again = std::min(look_again, attempt->deadline());
        }
      }
      if (worker->kill_at <= now) {
        Kill(*worker);
        missing = true;
        continue;
      }
      look_again = std::min(look_again, worker->kill_at);
      if (next.share == nullptr || !worker->runs()) continue;
      missing = CheckTurn(*worker, *next.share, now, look_again) || missing;
    }
    watched_until_ = look_again;
    clock_->Set(look_again - now);
    // Only now: what is fed has deadlines that `look_again` does not know.
    Dispatch();
  }
  if (!missing) return;
  StartMissing();
  more_room_();
}

absl::Duration LuaHandler::SliceOf(const LuaWorker& worker, const Share& next) {
  const bool has_had_more = worker.share.get() != &next && worker.share->virtual_time > next.virtual_time;
  return has_had_more ? kShortSlice : kSlice;
}

bool LuaHandler::CheckTurn(LuaWorker& worker, const Share& next, absl::Duration now,
                           absl::Duration& look_again) {
  LuaAttempt& attempt = *worker.batch.front();
  const absl::Duration slice = SliceOf(worker, next);
  if (now < worker.turn_start + slice) {
    look_again = std::min(look_again, worker.turn_start + slice);
    return false;
  }
  if (worker.asked_at == absl::InfiniteDuration()) {
    worker.asked_at = now;
    worker.cpu_asked_at = worker.process->CpuTime();
    worker.process->Signal(sandbox::kGiveWaySignal, attempt.id());
    look_again = std::min(look_again, now + kShortSlice);
    return false;
  }
  // On a busy machine it may not have come to hear of it.
  const bool had_time = worker.process->CpuTime() - worker.cpu_asked_at >= kObedience;
  if (!had_time && now < worker.asked_at + kPatience) {
    look_again = std::min(look_again, now + kShortSlice);
    return false;
  }
  if (attempt.kill_reason() != KillReason::kNone) return false;
  if (worker.batch.size() > 1) {
    // The others come back as soon as it leaves C++ code.
    worker.overruns = true;
  } else {
    Hold(worker, /*frozen=*/true);
    look_again = std::min(look_again, worker.kill_at);
  }
  return true;
}

// In one step out of parked_: whoever stops it finds it.
void LuaHandler::Resume(std::unique_ptr<LuaAttempt> attempt, absl::Duration now) {
  LuaWorker* const holder = attempt->held_by();
  if (attempt->deadline() > now) {
    Enqueue(std::move(attempt), now);
  } else if (holder == nullptr) {
    attempt->set_kill_reason(KillReason::kTimeout);
    FinishLater(std::move(attempt));
  } else {
    LuaAttempt* const late = attempt.get();
    in_hand_[late->id()] = std::move(attempt);
    StopInWorker(*holder, *late, KillReason::kTimeout);
  }
}

}  // namespace errand::handlers
