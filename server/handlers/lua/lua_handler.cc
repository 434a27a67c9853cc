#include "server/handlers/lua/lua_handler.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "spdlog/spdlog.h"

namespace errand::handlers {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(10);
constexpr absl::Duration kMinBackoff = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);
constexpr int kHopeless = 3;  // So many failures to start in a row, and attempts no longer wait.

}  // namespace

// A process and the attempt that it runs.
struct LuaHandler::Worker final : SandboxProcess::Owner {
  explicit Worker(LuaHandler& handler) : handler(handler) {}
  void OnFrame(const sandbox::Frame& frame) override { handler.OnFrame(*this, frame); }
  void OnDeath(const SandboxProcess::Death& death) override { handler.OnDeath(*this, death); }

  LuaHandler& handler;
  // Set once, before the worker is seen by others.
  std::shared_ptr<SandboxProcess> process;

  // Guarded by the handler's mutex. `attempt` is taken away by the loop's thread only, which may therefore
  // use it without.
  State state = State::kStarting;
  std::unique_ptr<LuaAttempt> attempt;
  KillReason kill_reason = KillReason::kNone;

  // Owned by the loop's thread.
  std::string refusal;
  std::unique_ptr<io::Timer> start_timeout;
};

absl::StatusOr<std::unique_ptr<LuaHandler>> LuaHandler::Create(LuaHandlerOptions options, io::Loop* loop) {
  if (options.workers < 1 || options.spares < 0) {
    return absl::InvalidArgumentError("Lua needs at least one worker and no negative number of spares");
  }
  std::unique_ptr<LuaHandler> handler(new LuaHandler(std::move(options), loop));
  loop->Post([handler = handler.get()] { handler->StartMissing(); });
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

LuaHandler::LuaHandler(LuaHandlerOptions options, io::Loop* loop)
    : options_(std::move(options)),
      loop_(loop),
      backoff_(std::make_unique<io::Timer>(loop, [this] { StartMissing(); })),
      deadline_(std::make_unique<io::Timer>(loop, [this] { EndOverdue(); })) {}

LuaHandler::~LuaHandler() {
  absl::Notification done;
  loop_->Post([this, &done] {
    ShutDown();
    done.Notify();
  });
  done.WaitForNotification();
}

void LuaHandler::Start(Attempt attempt, std::unique_ptr<AttemptObserver> observer) {
  auto lua = std::make_unique<LuaAttempt>(std::move(attempt), std::move(observer));
  const std::string frame = lua->RunFrame();
  absl::Status failure;
  {
    absl::MutexLock lock(&mu_);
    if (!closing_) {
      const absl::Duration deadline = lua->deadline();
      if (AssignToIdle(lua, frame)) {
        WatchDeadline(deadline);
        return;
      }
      failure = start_failure_;
      // Unless starting is hopeless, a worker will be ready soon: one is started for each that ended.
      if (failure.ok()) {
        waiting_.push_back(std::move(lua));
        WatchDeadline(deadline);
        return;
      }
    }
  }
  if (failure.ok()) {
    lua->FinishUnstarted(KillReason::kStopped);
  } else {
    lua->FinishUnstartable(failure);
  }
}

void LuaHandler::Stop(AttemptId id) {
  absl::MutexLock lock(&mu_);
  for (const auto& worker : workers_) {
    if (worker->attempt != nullptr && worker->attempt->id() == id) {
      Kill(*worker, KillReason::kStopped);
      return;
    }
  }
  const auto waiting = std::find_if(waiting_.begin(), waiting_.end(),
                                    [id](const auto& attempt) { return attempt->id() == id; });
  if (waiting == waiting_.end()) return;
  loop_->Post([attempt = std::move(*waiting)] { attempt->FinishUnstarted(KillReason::kStopped); });
  waiting_.erase(waiting);
}

bool LuaHandler::Assign(Worker& worker, std::unique_ptr<LuaAttempt>& attempt, const std::string& frame) {
  attempt->set_cpu_time_before(worker.process->CpuTime());
  if (!worker.process->Send(frame)) {
    worker.state = State::kEnding;  // It died a moment ago: OnDeath is on its way.
    return false;
  }
  worker.attempt = std::move(attempt);
  worker.state = State::kBusy;
  return true;
}

bool LuaHandler::AssignToIdle(std::unique_ptr<LuaAttempt>& attempt, const std::string& frame) {
  while (!idle_.empty()) {
    Worker& worker = *idle_.back();  // The last one used: its memory is warm.
    idle_.pop_back();
    if (Assign(worker, attempt, frame)) return true;
  }
  return false;
}

void LuaHandler::Kill(Worker& worker, KillReason reason) {
  if (worker.kill_reason == KillReason::kNone) worker.kill_reason = reason;
  worker.process->Kill();
}

void LuaHandler::WatchDeadline(absl::Duration deadline) {
  // One timer for all: as a rule it is set for an earlier attempt already, and nobody has to wake the loop.
  if (deadline >= watched_until_) return;
  watched_until_ = deadline;
  loop_->Post([this] { EndOverdue(); });
}

void LuaHandler::EndOverdue() {
  std::vector<std::unique_ptr<LuaAttempt>> overdue;
  {
    absl::MutexLock lock(&mu_);
    const absl::Duration now = LuaAttempt::MonotonicNow();
    absl::Duration next = absl::InfiniteDuration();
    for (const auto& worker : workers_) {
      if (worker->attempt == nullptr) continue;
      if (worker->attempt->deadline() <= now) {
        Kill(*worker, KillReason::kTimeout);
      } else {
        next = std::min(next, worker->attempt->deadline());
      }
    }
    for (auto& attempt : waiting_) {
      if (attempt->deadline() <= now) {
        overdue.push_back(std::move(attempt));
      } else {
        next = std::min(next, attempt->deadline());
      }
    }
    waiting_.erase(std::remove(waiting_.begin(), waiting_.end(), nullptr), waiting_.end());
    watched_until_ = next;
    deadline_->Set(next - now);
  }
  for (const auto& attempt : overdue) attempt->FinishUnstarted(KillReason::kTimeout);
}

void LuaHandler::StartMissing() {
  for (;;) {
    {
      absl::MutexLock lock(&mu_);
      if (closing_ || backoff_->is_set()) return;
      const auto living = std::count_if(workers_.begin(), workers_.end(),
                                        [](const auto& worker) { return worker->state != State::kEnding; });
      if (living >= options_.workers + options_.spares) return;
    }
    if (const absl::Status started = StartWorker(); !started.ok()) {
      OnWorkerFailed(started);
      return;
    }
  }
}

absl::Status LuaHandler::StartWorker() {
  auto worker = std::make_unique<Worker>(*this);
  auto process = SandboxProcess::Start(options_.sandbox_path, loop_, worker.get());
  if (!process.ok()) return process.status();
  worker->process = *std::move(process);
  SandboxProcess* const started = worker->process.get();
  worker->start_timeout = std::make_unique<io::Timer>(loop_, [started] { started->Kill(); });
  worker->start_timeout->Set(kStartTimeout);
  absl::MutexLock lock(&mu_);
  workers_.push_back(std::move(worker));
  return absl::OkStatus();
}

void LuaHandler::OnWorkerFailed(const absl::Status& why) {
  if (!backoff_->is_set()) {  // Several that were started together fail together: that counts once.
    const absl::Duration wait = std::min(kMaxBackoff, kMinBackoff * (1 << std::min(failures_, 10)));
    ++failures_;
    spdlog::error("{}; trying again in {} ms", std::string(why.message()), absl::ToInt64Milliseconds(wait));
    backoff_->Set(wait);
  }
  std::deque<std::unique_ptr<LuaAttempt>> hopeless;
  {
    absl::MutexLock lock(&mu_);
    if (any_ready_ && failures_ < kHopeless) return;
    start_failure_ = why;
    const bool starting = std::any_of(workers_.begin(), workers_.end(),
                                      [](const auto& worker) { return worker->state == State::kStarting; });
    if (!starting) hopeless.swap(waiting_);
  }
  for (const auto& attempt : hopeless) attempt->FinishUnstartable(why);
}

void LuaHandler::OnFrame(Worker& worker, const sandbox::Frame& frame) {
  State state;
  bool busy;
  {
    absl::MutexLock lock(&mu_);
    if (worker.kill_reason == KillReason::kBroken) return;
    state = worker.state;
    busy = worker.attempt != nullptr;
  }
  if (state == State::kStarting) {
    OnStarting(worker, frame);
  } else if (const auto* done = std::get_if<sandbox::Done>(&frame); done != nullptr && busy) {
    OnDone(worker, *done);
  } else if (!busy || !worker.attempt->OnEvent(frame)) {
    if (state == State::kEnding) return;
    spdlog::error("sandbox {} sent a frame out of turn and is killed", worker.process->pid());
    absl::MutexLock lock(&mu_);
    if (state == State::kIdle) {
      idle_.erase(std::remove(idle_.begin(), idle_.end(), &worker), idle_.end());
    }
    Kill(worker, KillReason::kBroken);
  }
}

void LuaHandler::OnStarting(Worker& worker, const sandbox::Frame& frame) {
  if (const auto* refused = std::get_if<sandbox::Refused>(&frame)) {
    worker.refusal = std::string(refused->problem);
    return;
  }
  const auto* ready = std::get_if<sandbox::Ready>(&frame);
  if (ready != nullptr && ready->version == sandbox::kProtocolVersion) {
    OnWorkerReady(worker);
    return;
  }
  worker.refusal = "it is of another version than the server";
  worker.process->Kill();
}

void LuaHandler::OnWorkerReady(Worker& worker) {
  worker.start_timeout = nullptr;
  failures_ = 0;
  absl::MutexLock lock(&mu_);
  start_failure_ = absl::OkStatus();
  any_ready_ = true;
  BecomeIdle(worker);
}

void LuaHandler::BecomeIdle(Worker& worker) {
  worker.state = State::kIdle;
  if (waiting_.empty()) {
    idle_.push_back(&worker);
    return;
  }
  auto& attempt = waiting_.front();
  if (Assign(worker, attempt, attempt->RunFrame())) waiting_.pop_front();
}

void LuaHandler::OnDone(Worker& worker, const sandbox::Done& done) {
  const bool ends =
      done.ending == sandbox::Ending::kMemoryExceeded || done.ending == sandbox::Ending::kOutputExceeded;
  std::unique_ptr<LuaAttempt> attempt;
  {
    absl::MutexLock lock(&mu_);
    attempt = std::move(worker.attempt);
    if (ends) Kill(worker, KillReason::kStopped);
    if (worker.kill_reason != KillReason::kNone) {
      worker.state = State::kEnding;
    } else {
      BecomeIdle(worker);
    }
  }
  // Before OnDone, which may well start the next attempt.
  if (ends) StartMissing();
  attempt->FinishDone(done);
}

void LuaHandler::OnDeath(Worker& worker, const SandboxProcess::Death& death) {
  std::unique_ptr<Worker> dead;
  {
    absl::MutexLock lock(&mu_);
    idle_.erase(std::remove(idle_.begin(), idle_.end(), &worker), idle_.end());
    const auto found = std::find_if(workers_.begin(), workers_.end(),
                                    [&worker](const auto& other) { return other.get() == &worker; });
    dead = std::move(*found);
    workers_.erase(found);
  }
  if (dead->state == State::kStarting) {
    OnWorkerFailed(absl::UnavailableError(
        absl::StrCat("'", options_.sandbox_path, "' ",
                     dead->refusal.empty() ? absl::StrCat(death.reason, " before it was ready")
                                           : absl::StrCat("cannot be used: ", dead->refusal))));
  } else {
    if (dead->state == State::kIdle) spdlog::warn("an idle sandbox {}", death.reason);
    StartMissing();
  }
  if (dead->attempt != nullptr) dead->attempt->FinishDead(dead->kill_reason, death);
}

void LuaHandler::ShutDown() {
  std::vector<std::unique_ptr<Worker>> workers;
  std::deque<std::unique_ptr<LuaAttempt>> waiting;
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
    workers.swap(workers_);
    waiting.swap(waiting_);
    idle_.clear();
  }
  backoff_ = nullptr;
  deadline_ = nullptr;
  for (const auto& worker : workers) worker->process->Kill();
  for (const auto& worker : workers) {
    worker->start_timeout = nullptr;
    const SandboxProcess::Death death = worker->process->End();
    if (worker->attempt != nullptr) worker->attempt->FinishDead(KillReason::kStopped, death);
  }
  for (const auto& attempt : waiting) attempt->FinishUnstarted(KillReason::kStopped);
}

}  // namespace errand::handlers
