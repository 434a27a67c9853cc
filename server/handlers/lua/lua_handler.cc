#include "server/handlers/lua/lua_handler.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "spdlog/spdlog.h"

namespace errand::handlers {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(10);
constexpr absl::Duration kMinBackoff = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);
constexpr int kHopeless = 3;  // So many failures to start in a row, and attempts no longer wait.

// Attempts in hand for each worker: so many share it in turns, and more if all of them fit into one slice.
constexpr int kSharing = 4;
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

// A process and the attempts that it was fed.
struct LuaHandler::Worker final : SandboxProcess::Owner {
  explicit Worker(LuaHandler& handler) : handler(handler) {}
  void OnFrame(const sandbox::Frame& frame) override { handler.OnFrame(*this, frame); }
  void OnDeath(const SandboxProcess::Death& death) override { handler.OnDeath(*this, death); }

  LuaAttempt* Find(AttemptId id) const {
    for (LuaAttempt* attempt : batch) {
      if (attempt->id() == id) return attempt;
    }
    return nullptr;
  }

  LuaHandler& handler;
  std::shared_ptr<SandboxProcess> process;  // Null while it is being forked; then constant.

  // Guarded by the handler's mutex.
  State state = State::kStarting;
  std::deque<LuaAttempt*> batch;  // In order; the first one runs.
  absl::Duration turn_start;
  absl::Duration asked_at = absl::InfiniteDuration();  // When it was asked to give way, this turn.
  absl::Duration kill_at = absl::InfiniteDuration();   // As one of the batch was told to stop.
  bool broken = false;                                 // It did not keep to the protocol.
  bool stuck = false;                                  // It does not give way: another takes its place.
  absl::flat_hash_map<sandbox::ScriptNumber, std::weak_ptr<const CachedScript>> scripts;  // That it knows.

  // Owned by the loop's thread.
  std::unique_ptr<io::Timer> start_timeout;
};

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
  auto lua = std::make_unique<LuaAttempt>(std::move(attempt), std::move(observer));
  const ScriptCache::Source source(lua->source());
  absl::Status failure;
  {
    absl::MutexLock lock(&mu_);
    // Unless starting is hopeless, a worker will be ready soon: one is started for each that ended.
    failure = idle_.empty() ? start_failure_ : absl::OkStatus();
    if (!closing_ && failure.ok()) {
      lua->set_cached(lua->registered() == nullptr ? scripts_.FindInline(source)
                                                   : scripts_.Find(lua->registered()));
      const absl::Duration since = lua->started();
      Enqueue(std::move(lua), since);
      Dispatch();
      return;
    }
  }
  if (failure.ok()) {
    lua->set_kill_reason(KillReason::kStopped);
    lua->FinishElsewhere();
  } else {
    lua->FinishUnstartable(failure);
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
    if (worker->state == State::kBusy && !worker->stuck) WatchUntil(worker->turn_start + kSlice);
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
  // The others are to have theirs.
  const auto workers = static_cast<size_t>(options_.workers);
  const size_t most = std::clamp<size_t>((ready_.size() + workers - 1) / workers, 1, kMaxBatch);
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
  worker.kill_at = std::min(worker.kill_at, LuaAttempt::MonotonicNow() + kGrace);
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
  std::vector<std::unique_ptr<LuaAttempt>> due;
  bool missing = false;
  {
    absl::MutexLock lock(&mu_);
    watched_until_ = absl::ZeroDuration();  // Whatever comes up meanwhile is seen below.
    const absl::Duration now = LuaAttempt::MonotonicNow();
    while (auto attempt = parked_.TakeDue(now)) due.push_back(std::move(attempt));
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
    if (missing) Dispatch();
  }
  if (missing) StartMissing();
  for (auto& attempt : due) Wake(std::move(attempt));
}

// --- workers come and go ---

void LuaHandler::StartMissing() {
  for (;;) {
    Worker* worker;
    {
      absl::MutexLock lock(&mu_);
      if (closing_ || backoff_->is_set()) return;
      int useful = 0;
      int all = 0;
      for (const auto& other : workers_) {
        all += other->state != State::kEnding ? 1 : 0;
        useful += other->state != State::kEnding && !other->stuck ? 1 : 0;
      }
      const int wanted = options_.workers + options_.spares;
      // One for each that may be in hand and does not give way.
      if (useful >= wanted || all >= wanted + options_.workers * kSharing) return;
      workers_.push_back(std::make_unique<Worker>(*this));
      worker = workers_.back().get();
    }
    zygote_->Fork(worker, [this, worker](absl::StatusOr<std::shared_ptr<SandboxProcess>> forked) {
      OnForked(worker, std::move(forked));
    });
  }
}

void LuaHandler::OnForked(Worker* worker, absl::StatusOr<std::shared_ptr<SandboxProcess>> forked) {
  if (!forked.ok()) {
    {
      absl::MutexLock lock(&mu_);
      if (closing_) return;
      Remove(*worker);
    }
    OnWorkerFailed(forked.status());
    return;
  }
  SandboxProcess* const process = forked->get();
  worker->start_timeout = std::make_unique<io::Timer>(loop_, [process] { process->Kill(); });
  worker->start_timeout->Set(kStartTimeout);
  absl::MutexLock lock(&mu_);
  worker->process = *std::move(forked);
}

void LuaHandler::OnWorkerFailed(const absl::Status& why) {
  if (!backoff_->is_set()) {  // Several that were started together fail together: that counts once.
    const absl::Duration wait = std::min(kMaxBackoff, kMinBackoff * (1 << std::min(failures_, 10)));
    ++failures_;
    spdlog::error("{}; trying again in {} ms", std::string(why.message()), absl::ToInt64Milliseconds(wait));
    backoff_->Set(wait);
  }
  std::vector<std::unique_ptr<LuaAttempt>> hopeless;
  {
    absl::MutexLock lock(&mu_);
    if (any_ready_ && failures_ < kHopeless) return;
    start_failure_ = why;
    const bool others = std::any_of(workers_.begin(), workers_.end(),
                                    [](const auto& worker) { return worker->state != State::kEnding; });
    if (!others) {
      for (const std::deque<Ready>* queue : {&ready_, &turned_}) {
        for (const Ready& ready : *queue) hopeless.push_back(TakeInHand(ready.attempt));
      }
      ready_.clear();
      turned_.clear();
    }
  }
  for (const auto& attempt : hopeless) attempt->FinishUnstartable(why);
}

void LuaHandler::OnWorkerReady(Worker& worker, const sandbox::Frame& frame) {
  if (!std::holds_alternative<sandbox::Ready>(frame)) {
    worker.process->Kill();
    return;
  }
  worker.start_timeout = nullptr;
  failures_ = 0;
  absl::MutexLock lock(&mu_);
  start_failure_ = absl::OkStatus();
  any_ready_ = true;
  BecomeIdle(worker);
  Dispatch();
}

void LuaHandler::BecomeIdle(Worker& worker) {
  worker.state = State::kIdle;
  if (worker.stuck) {
    // It is free again, but another has its place.
    worker.stuck = false;
    const auto useful = std::count_if(workers_.begin(), workers_.end(), [](const auto& other) {
      return other->state != State::kEnding && !other->stuck;
    });
    if (useful > options_.workers + options_.spares) {
      Kill(worker);
      return;
    }
  }
  idle_.push_back(&worker);
}

std::unique_ptr<LuaHandler::Worker> LuaHandler::Remove(Worker& worker) {
  idle_.erase(std::remove(idle_.begin(), idle_.end(), &worker), idle_.end());
  const auto found = std::find_if(workers_.begin(), workers_.end(),
                                  [&worker](const auto& other) { return other.get() == &worker; });
  std::unique_ptr<Worker> removed = std::move(*found);
  workers_.erase(found);
  return removed;
}

void LuaHandler::OnDeath(Worker& worker, const SandboxProcess::Death& death) {
  std::unique_ptr<Worker> dead;
  std::vector<std::unique_ptr<LuaAttempt>> over;
  {
    absl::MutexLock lock(&mu_);
    dead = Remove(worker);
    // Whom it had told of is not in the batch any more. Of the others the first one ran, as a rule; but what
    // it had gathered may be lost, so those that cannot be told apart run again, each alone.
    const bool stopped = std::any_of(dead->batch.begin(), dead->batch.end(), [](LuaAttempt* attempt) {
      return attempt->kill_reason() != KillReason::kNone;
    });
    const bool blamed = !stopped && dead->batch.size() == 1;
    const absl::Duration now = LuaAttempt::MonotonicNow();
    for (; !dead->batch.empty(); dead->batch.pop_back()) {
      LuaAttempt* const attempt = dead->batch.back();
      if (blamed || attempt->kill_reason() != KillReason::kNone) {
        over.push_back(TakeInHand(attempt));
      } else {
        if (!stopped) attempt->set_alone();
        ready_.push_front({attempt, now});
      }
    }
  }
  if (dead->state == State::kStarting) {
    OnWorkerFailed(
        absl::UnavailableError(absl::StrCat("a sandbox process ", death.reason, " before it was ready")));
  } else {
    if (dead->state == State::kIdle) spdlog::warn("an idle sandbox {}", death.reason);
    StartMissing();
  }
  for (const auto& attempt : over) attempt->FinishDead(death);
  absl::MutexLock lock(&mu_);
  Dispatch();
}

void LuaHandler::ShutDown() {
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::unique_ptr<LuaAttempt>> rest;
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
    workers.swap(workers_);
    idle_.clear();
    ready_.clear();
    turned_.clear();
    rest = parked_.TakeAll();
    for (auto& [id, attempt] : in_hand_) {
      attempt->set_kill_reason(KillReason::kStopped);
      const bool runs = std::any_of(workers.begin(), workers.end(),
                                    [id = id](const auto& worker) { return worker->Find(id) != nullptr; });
      if (!runs) rest.push_back(std::move(attempt));
    }
  }
  backoff_ = nullptr;
  clock_ = nullptr;
  self_ = nullptr;
  for (const auto& worker : workers) zygote_->Forget(worker.get());
  for (const auto& worker : workers) {
    if (worker->process != nullptr) worker->process->Kill();
  }
  for (const auto& worker : workers) {
    worker->start_timeout = nullptr;
    if (worker->process == nullptr) continue;
    const SandboxProcess::Death death = worker->process->End();
    for (LuaAttempt* attempt : worker->batch) attempt->FinishDead(death);
  }
  for (const auto& attempt : rest) {
    attempt->set_kill_reason(KillReason::kStopped);
    if (attempt->has_left()) attempt->observer().OnResumed();
    attempt->FinishElsewhere();
  }
  absl::MutexLock lock(&mu_);
  in_hand_.clear();
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
  worker.batch.erase(std::find(worker.batch.begin(), worker.batch.end(), &attempt));
  if (attempt.kill_reason() != KillReason::kNone) {
    const bool others = std::any_of(worker.batch.begin(), worker.batch.end(), [](LuaAttempt* other) {
      return other->kill_reason() != KillReason::kNone;
    });
    if (!others) worker.kill_at = absl::InfiniteDuration();
  }
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

// --- what scripts ask for ---

bool LuaHandler::OnCall(Worker& worker, LuaAttempt& attempt, const sandbox::Call& call) {
  if (call.parks && call.function != sandbox::Function::kSubmit) return false;
  if (call.function == sandbox::Function::kSubmit) {
    if (call.parks) {
      attempt.set_request(call.arguments);
    } else {
      Submit(attempt, std::string(call.arguments));
    }
    return true;
  }
  SendAnswer(worker, attempt.id(), CallShared(attempt, call));
  return true;
}

absl::StatusOr<std::string> LuaHandler::CallShared(const LuaAttempt& attempt, const sandbox::Call& call) {
  sandbox::SharedArguments arguments;
  if (!sandbox::Parse(call.arguments, arguments)) return absl::InvalidArgumentError("malformed arguments");
  const absl::string_view key(arguments.key.data(), arguments.key.size());
  const absl::string_view value(arguments.value.data(), arguments.value.size());
  if (key.empty() || key.size() > SharedValues::kMaxKeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("a key has 1 to ", SharedValues::kMaxKeyBytes, " bytes, not ", key.size()));
  }
  const absl::Time now = absl::Now();
  const absl::Time expiry = arguments.ttl_millis == 0
                                ? absl::InfiniteFuture()
                                : now + absl::Milliseconds(static_cast<int64_t>(arguments.ttl_millis));
  const std::string& queue = attempt.queue();
  switch (call.function) {
    case sandbox::Function::kSharedGet:
      return std::string(shared_.Get(queue, key, now));
    case sandbox::Function::kSharedSet:
      if (absl::Status set = shared_.Set(queue, key, value, expiry, now); !set.ok()) return set;
      return "";
    case sandbox::Function::kSharedAdd: {
      const absl::StatusOr<bool> added = shared_.Add(queue, key, value, expiry, now);
      if (!added.ok()) return added.status();
      return *added ? "1" : "";
    }
    case sandbox::Function::kSharedIncrement: {
      const absl::StatusOr<int64_t> sum = shared_.Increment(queue, key, arguments.by, expiry, now);
      if (!sum.ok()) return sum.status();
      return absl::StrCat(*sum);
    }
    case sandbox::Function::kSharedDelete:
      shared_.Delete(queue, key);
      return "";
    case sandbox::Function::kSubmit:
      break;
  }
  return absl::InternalError("unknown function");
}

// The attempt is parked, or waits in its process.
void LuaHandler::Submit(LuaAttempt& attempt, std::string request) {
  const AttemptId id = attempt.id();
  if (options_.submit == nullptr) {
    OnAnswer(id, absl::UnimplementedError("this server creates no tasks for scripts"));
  } else if (!attempt.CountChild()) {
    OnAnswer(id, absl::ResourceExhaustedError(
                     absl::StrCat("an attempt may create at most ", LuaAttempt::kMaxChildren, " tasks")));
  } else {
    options_.submit(
        attempt.queue(), std::move(request),
        [loop = loop_, weak = std::weak_ptr<LuaHandler*>(self_), id](absl::StatusOr<std::string> answer) {
          loop->Post([weak, id, answer = std::move(answer)]() mutable {
            if (const auto self = weak.lock()) (*self)->OnAnswer(id, std::move(answer));
          });
        });
  }
}

void LuaHandler::OnAnswer(AttemptId id, absl::StatusOr<std::string> answer) {
  std::unique_ptr<LuaAttempt> attempt;
  {
    absl::MutexLock lock(&mu_);
    attempt = parked_.Take(id);
    if (attempt == nullptr) {
      // It waits in its process, or is over.
      for (const auto& worker : workers_) {
        if (worker->Find(id) != nullptr) SendAnswer(*worker, id, answer);
      }
      return;
    }
  }
  attempt->set_answer(std::move(answer));
  Wake(std::move(attempt));
}

void LuaHandler::SendAnswer(Worker& worker, AttemptId id, const absl::StatusOr<std::string>& answer) {
  std::string batch;
  sandbox::StartBatch(batch);
  const absl::string_view text = answer.ok() ? absl::string_view(*answer) : answer.status().message();
  sandbox::Append(sandbox::Answer{id, answer.ok(), std::string_view(text.data(), text.size())}, batch);
  sandbox::FinishBatch(batch);
  worker.process->Send(batch);
}

void LuaHandler::Wake(std::unique_ptr<LuaAttempt> attempt) {
  if (attempt->has_left()) {
    attempt->set_has_left(false);
    attempt->observer().OnResumed();
  }
  const absl::Duration now = LuaAttempt::MonotonicNow();
  if (attempt->deadline() <= now) {
    attempt->set_kill_reason(KillReason::kTimeout);
    attempt->FinishElsewhere();
    return;
  }
  absl::MutexLock lock(&mu_);
  Enqueue(std::move(attempt), now);
  Dispatch();
}

}  // namespace errand::handlers
