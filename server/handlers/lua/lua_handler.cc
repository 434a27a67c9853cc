#include "server/handlers/lua/lua_handler.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "server/handlers/lua/lua_worker.h"
#include "spdlog/spdlog.h"

namespace errand::handlers {
namespace {

constexpr int kMaxBatch = 64;
// One that had to give way waits no longer than this for others that come.
constexpr absl::Duration kMaxPassedOver = absl::Milliseconds(100);

// The attempt that a frame is about; 0 for none.
AttemptId AttemptOf(const sandbox::Frame& frame) {
  return std::visit(
      [](const auto& taken) -> AttemptId {
        if constexpr (requires { taken.attempt; }) {
          return taken.attempt;
        } else {
          return 0;
        }
      },
      frame);
}

}  // namespace

absl::StatusOr<std::unique_ptr<LuaHandler>> LuaHandler::Create(LuaHandlerOptions options, Zygote* zygote) {
  if (options.workers < 1 || options.spares < 0) {
    return absl::InvalidArgumentError("Lua needs at least one worker and no negative number of spares");
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
      zygote_(zygote),
      loop_(zygote->loop()),
      slots_(options_.workers * kSharing),
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
  return {parked_.size(), parked_.bytes(), resumed_, moved_};
}

// --- attempts come, and are fed to workers ---

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
    auto attempt = std::make_unique<LuaAttempt>(std::move(one.attempt), std::move(one.observer));
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
  ready_.push_back({attempt.get(), since});
  const AttemptId id = attempt->id();
  in_hand_[id] = std::move(attempt);
}

// Spares have a turn only when another is dead or does not give way.
bool LuaHandler::HasFreeWorker() const {
  if (idle_.empty()) return false;
  const auto busy = std::count_if(workers_.begin(), workers_.end(), [](const auto& worker) {
    return worker->state == State::kBusy && !worker->stuck;
  });
  return busy < options_.workers;
}

void LuaHandler::Dispatch() {
  while (HasReady() && HasFreeWorker()) {
    Worker& worker = *idle_.back();  // The last one used: its memory is warm.
    idle_.pop_back();
    Feed(worker);
  }
  if (!HasReady()) return;
  for (const auto& worker : workers_) {
    if (worker->state != State::kBusy || worker->stuck) continue;
    WatchUntil(kSlice +
               (worker->asked_at == absl::InfiniteDuration() ? worker->turn_start : worker->asked_at));
  }
}

bool LuaHandler::TakeReady(absl::Duration now, Ready& taken) {
  std::deque<Ready>& from =
      ready_.empty() || (!turned_.empty() && now - turned_.front().since > kMaxPassedOver) ? turned_ : ready_;
  if (from.empty()) return false;
  taken = from.front();
  from.pop_front();
  return true;
}

void LuaHandler::Feed(Worker& worker) {
  const absl::Duration now = LuaAttempt::MonotonicNow();
  const absl::Duration epoch = now - (absl::Now() - absl::UnixEpoch());
  const absl::Duration cpu_time = worker.process->CpuTime();
  // Each worker's share of all there are, so that the others have theirs.
  size_t all = ready_.size();
  for (const auto& other : workers_) all += other->batch.size();
  const auto workers = static_cast<size_t>(options_.workers);
  const size_t most = std::clamp<size_t>((all + workers - 1) / workers, 1, kMaxBatch);
  std::string batch;
  sandbox::StartBatch(batch);
  Ready next;
  while (worker.batch.size() < most && batch.size() < sandbox::kBatchBytes && TakeReady(now, next)) {
    LuaAttempt& attempt = *next.attempt;
    if (attempt.is_parked() && attempt.generation() != worker.process->generation()) {
      FinishLater(TakeInHand(&attempt));
      continue;
    }
    if (attempt.alone() && !worker.batch.empty()) {
      ready_.push_front(next);
      break;
    }
    attempt.PutOffDeadline(now - next.since);
    attempt.set_cpu_time_before(cpu_time);
    AddToBatch(worker, attempt, epoch, batch);
    WatchUntil(attempt.deadline());
    // One that takes long keeps nobody waiting behind it.
    if (attempt.alone() || (attempt.is_parked() && attempt.why_parked() == sandbox::Why::kGivesWay)) break;
  }
  if (worker.batch.empty()) {
    idle_.push_back(&worker);
    return;
  }
  sandbox::FinishBatch(batch);
  worker.turn_start = now;
  worker.asked_at = absl::InfiniteDuration();
  worker.state = State::kBusy;
  worker.process->Send(batch);  // If it died a moment ago, OnDeath is on its way.
}

void LuaHandler::AddToBatch(Worker& worker, LuaAttempt& attempt, absl::Duration epoch, std::string& batch) {
  if (const auto& script = attempt.cached(); script != nullptr) {
    if (worker.scripts.size() > ScriptCache::kMaxScripts) {
      absl::erase_if(worker.scripts, [&batch](const auto& known) {
        if (!known.second.expired()) return false;
        sandbox::Append(sandbox::Forget{known.first}, batch);
        return true;
      });
    }
    if (worker.scripts.try_emplace(script->number, script).second) {
      sandbox::Append(sandbox::Script{script->number, script->chunk_name,
                                      std::string_view(script->source().data(), script->source().size())},
                      batch);
    }
  }
  if (attempt.is_parked()) {
    ++resumed_;
    moved_ += attempt.parked_by() != worker.process->pid() ? 1 : 0;
  }
  attempt.AppendFrame(absl::Uniform<uint64_t>(seeds_), epoch, batch);
  worker.batch.push_back(&attempt);
}

std::unique_ptr<LuaAttempt> LuaHandler::TakeInHand(LuaAttempt* attempt) {
  const auto found = in_hand_.find(attempt->id());
  std::unique_ptr<LuaAttempt> taken = std::move(found->second);
  in_hand_.erase(found);
  return taken;
}

// For its kill reason; without one it is parked and no process can go on with it.
void LuaHandler::FinishLater(std::unique_ptr<LuaAttempt> attempt) {
  loop_->Post([attempt = std::move(attempt)] {
    if (attempt->has_left()) attempt->observer().OnResumed();
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
  std::unique_ptr<LuaAttempt> stopped = parked_.Take(id);
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
    const auto is_it = [attempt](const Ready& ready) { return ready.attempt == attempt; };
    ready_.erase(std::remove_if(ready_.begin(), ready_.end(), is_it), ready_.end());
    turned_.erase(std::remove_if(turned_.begin(), turned_.end(), is_it), turned_.end());
    stopped = TakeInHand(attempt);
  }
  stopped->set_kill_reason(KillReason::kStopped);
  FinishLater(std::move(stopped));
}

void LuaHandler::StopInWorker(Worker& worker, LuaAttempt& attempt, KillReason reason) {
  if (attempt.kill_reason() != KillReason::kNone) return;
  attempt.set_kill_reason(reason);
  worker.process->Signal(sandbox::kStopSignal, attempt.id());
  if (worker.batch.front() == &attempt) SetGrace(worker);
}

// One behind the first is not begun when its turn comes: the first one's process need not end for it.
void LuaHandler::SetGrace(Worker& worker) {
  const bool ends = !worker.batch.empty() && worker.batch.front()->kill_reason() != KillReason::kNone;
  worker.kill_at = ends ? LuaAttempt::MonotonicNow() + kGrace : absl::InfiniteDuration();
  WatchUntil(worker.kill_at);
}

void LuaHandler::Kill(Worker& worker) {
  worker.state = State::kEnding;
  worker.process->Kill();
}

void LuaHandler::WatchUntil(absl::Duration time) {
  // One timer for all: as a rule it is set for something earlier already, and nobody has to wake the loop.
  if (time >= watched_until_) return;
  watched_until_ = time;
  loop_->Post([this] { OnClock(); });
}

void LuaHandler::OnClock() {
  if (clock_ == nullptr) return;
  std::vector<LuaAttempt*> resumed;  // Nobody ends them before this thread is back in the loop.
  bool missing = false;
  {
    absl::MutexLock lock(&mu_);
    watched_until_ = absl::ZeroDuration();  // Whatever comes up meanwhile is seen below.
    const absl::Duration now = LuaAttempt::MonotonicNow();
    while (auto attempt = parked_.TakeDue(now)) {
      if (attempt->has_left()) {
        attempt->set_has_left(false);
        resumed.push_back(attempt.get());
      }
      Resume(std::move(attempt), now);
    }
    absl::Duration next = parked_.NextDue();
    const bool wanted = HasReady() && !HasFreeWorker();
    for (const auto& worker : workers_) {
      if (worker->state != State::kBusy) continue;
      for (LuaAttempt* attempt : worker->batch) {
        if (attempt->deadline() <= now) StopInWorker(*worker, *attempt, KillReason::kTimeout);
        if (attempt->deadline() > now) next = std::min(next, attempt->deadline());
      }
      if (worker->kill_at <= now) {
        Kill(*worker);
        missing = true;
        continue;
      }
      next = std::min(next, worker->kill_at);
      if (!wanted || worker->stuck) continue;
      if (now < worker->turn_start + kSlice) {
        next = std::min(next, worker->turn_start + kSlice);
      } else if (worker->asked_at == absl::InfiniteDuration()) {
        worker->asked_at = now;
        worker->process->Signal(sandbox::kGiveWaySignal, worker->batch.front()->id());
        next = std::min(next, now + kSlice);
      } else if (now >= worker->asked_at + kSlice) {
        worker->stuck = true;
        missing = true;
      } else {
        next = std::min(next, worker->asked_at + kSlice);
      }
    }
    watched_until_ = next;
    clock_->Set(next - now);
    // Only now: what is fed has deadlines that `next` does not know.
    Dispatch();
  }
  if (missing) StartMissing();
  for (LuaAttempt* attempt : resumed) attempt->observer().OnResumed();
}

// In one step out of parked_: whoever stops it finds it.
void LuaHandler::Resume(std::unique_ptr<LuaAttempt> attempt, absl::Duration now) {
  if (attempt->deadline() <= now) {
    attempt->set_kill_reason(KillReason::kTimeout);
    FinishLater(std::move(attempt));
  } else {
    Enqueue(std::move(attempt), now);
  }
}

// --- what workers say ---

void LuaHandler::OnFrame(Worker& worker, const sandbox::Frame& frame) {
  State state;
  LuaAttempt* attempt;
  {
    absl::MutexLock lock(&mu_);
    state = worker.state;
    attempt = worker.Find(AttemptOf(frame));
    if (worker.broken) return;
    // What it had said when it was killed for another: this one runs again, as if it had not begun.
    const bool ends = attempt != nullptr && attempt->kill_reason() != KillReason::kNone;
    if (state == State::kEnding && !ends) return;
  }
  if (state == State::kStarting) {
    OnWorkerReady(worker, frame);
  } else if (attempt == nullptr) {
    OnBroken(worker);
  } else if (const auto* done = std::get_if<sandbox::Done>(&frame)) {
    OnDone(worker, *attempt, *done);
  } else if (const auto* parked = std::get_if<sandbox::Parked>(&frame)) {
    OnParked(worker, *attempt, *parked);
  } else if (std::holds_alternative<sandbox::Returned>(frame)) {
    OnReturned(worker, *attempt);
  } else if (std::holds_alternative<sandbox::Waits>(frame)) {
    OnWaits(worker);
  } else if (const auto* call = std::get_if<sandbox::Call>(&frame)) {
    if (!OnCall(worker, *attempt, *call)) OnBroken(worker);
  } else if (!attempt->OnEvent(frame)) {
    OnBroken(worker);
  }
}

// It did not keep to the protocol. Those of its batch that were not begun are run elsewhere.
void LuaHandler::OnBroken(Worker& worker) {
  absl::MutexLock lock(&mu_);
  if (worker.state == State::kEnding) return;
  worker.broken = true;
  spdlog::error("sandbox {} sent a frame out of turn and is killed", worker.process->pid());
  if (!worker.batch.empty()) worker.batch.front()->set_kill_reason(KillReason::kBroken);
  idle_.erase(std::remove(idle_.begin(), idle_.end(), &worker), idle_.end());
  Kill(worker);
}

// The attempt is out of the worker's hands.
void LuaHandler::TurnEnded(Worker& worker, LuaAttempt& attempt) {
  const absl::Duration now = LuaAttempt::MonotonicNow();
  turn_ += (std::min(now - worker.turn_start, kSlice) - turn_) / 8;
  const int64_t fitting =
      absl::ToInt64Nanoseconds(kSlice) / std::max<int64_t>(1, absl::ToInt64Nanoseconds(turn_));
  slots_.store(options_.workers * static_cast<int>(std::clamp<int64_t>(fitting, kSharing, kMaxBatch)),
               std::memory_order_relaxed);
  worker.turn_start = now;
  worker.asked_at = absl::InfiniteDuration();
  const auto it = std::find(worker.batch.begin(), worker.batch.end(), &attempt);
  const bool was_first = it == worker.batch.begin();
  worker.batch.erase(it);
  if (was_first) SetGrace(worker);
  if (worker.batch.empty() && worker.state == State::kBusy) BecomeIdle(worker);
}

void LuaHandler::OnDone(Worker& worker, LuaAttempt& attempt, const sandbox::Done& done) {
  std::unique_ptr<LuaAttempt> over;
  {
    absl::MutexLock lock(&mu_);
    over = TakeInHand(&attempt);
    TurnEnded(worker, attempt);
    // Otherwise no worker has become free.
    if (worker.batch.empty()) Dispatch();
  }
  over->FinishDone(done);
}

void LuaHandler::OnReturned(Worker& worker, LuaAttempt& attempt) {
  std::unique_ptr<LuaAttempt> over;
  {
    absl::MutexLock lock(&mu_);
    TurnEnded(worker, attempt);
    if (attempt.kill_reason() == KillReason::kNone) {
      ready_.push_back({&attempt, LuaAttempt::MonotonicNow()});
    } else {
      over = TakeInHand(&attempt);
    }
    Dispatch();
  }
  if (over != nullptr) over->FinishElsewhere();
}

void LuaHandler::OnWaits(Worker& worker) {
  {
    absl::MutexLock lock(&mu_);
    worker.stuck = true;
    Dispatch();
  }
  StartMissing();
}

void LuaHandler::OnParked(Worker& worker, LuaAttempt& attempt, const sandbox::Parked& parked) {
  std::unique_ptr<LuaAttempt> over;
  std::unique_ptr<std::string> request;
  bool leaves = false;
  {
    absl::MutexLock lock(&mu_);
    attempt.Park(parked, *worker.process);
    TurnEnded(worker, attempt);
    if (attempt.kill_reason() != KillReason::kNone) {
      over = TakeInHand(&attempt);
    } else if (parked.why == sandbox::Why::kGivesWay) {
      turned_.push_back({&attempt, LuaAttempt::MonotonicNow()});
    } else {
      // Otherwise it keeps its slot, so that no more come: an answer is on its way, or memory is short.
      leaves = parked.why == sandbox::Why::kSleeps && parked_.bytes() < options_.max_parked_bytes;
      attempt.set_has_left(leaves);
      request = attempt.TakeRequest();
      parked_.Add(TakeInHand(&attempt));
      WatchUntil(parked_.NextDue());
    }
    Dispatch();
  }
  if (leaves) attempt.observer().OnParked();
  if (request != nullptr) Submit(attempt, *std::move(request));
  if (over != nullptr) over->FinishElsewhere();
}

}  // namespace errand::handlers
