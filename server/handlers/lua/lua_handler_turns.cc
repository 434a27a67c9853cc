// Who of LuaHandler's attempts runs, and what workers say of them.
#include <algorithm>
#include <utility>
#include <variant>

#include "absl/time/clock.h"
#include "server/handlers/lua/lua_handler.h"
#include "server/handlers/lua/lua_worker.h"
#include "server/sandbox/capacity.h"
#include "spdlog/spdlog.h"

namespace errand::handlers {
namespace {

// One that had to give way waits no longer than this for others of its queue that come.
constexpr absl::Duration kMaxPassedOver = absl::Milliseconds(100);

// Those whose turns are so short share a batch with those of other queues.
constexpr absl::Duration kQuick = absl::Microseconds(500);

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

// --- whose turn it is ---

int LuaHandler::Running() const {
  return static_cast<int>(
      std::count_if(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->runs(); }));
}

LuaHandler::Turn LuaHandler::NextTurn(absl::Duration now) const {
  Turn next;
  shares_.InOrder([&](Share& share) {
    mu_.AssertHeld();
    const bool may_begin = MayBegin(share);
    Turn older;
    if (!share.in_place.empty()) older = {&share, Shares::Line::kInPlace};
    if (may_begin && !share.turned.empty() &&
        (older.share == nullptr || share.turned.front().since < share.in_place.front().since)) {
      older = {&share, Shares::Line::kTurned};
    }
    const bool has_fresh = may_begin && !share.fresh.empty();
    const bool older_first = older.share != nullptr && now - FrontOf(older).since > kMaxPassedOver;
    next = has_fresh && !older_first ? Turn{&share, Shares::Line::kFresh} : older;
    return next.share == nullptr;
  });
  return next;
}

const Ready& LuaHandler::FrontOf(const Turn& turn) {
  switch (turn.line) {
    case Shares::Line::kFresh:
      return turn.share->fresh.front();
    case Shares::Line::kTurned:
      return turn.share->turned.front();
    case Shares::Line::kInPlace:
      break;
  }
  return turn.share->in_place.front();
}

size_t LuaHandler::BytesFor(const LuaAttempt& attempt) {
  return sandbox::CapacityFor(static_cast<size_t>(attempt.memory_limit()));
}

// Where nothing runs there is: what one may need at most is less than what held ones leave.
bool LuaHandler::HasMemoryFor(const LuaAttempt& attempt, const LuaWorker* worker) const {
  size_t wanted = BytesFor(attempt);
  if (worker != nullptr) wanted -= std::min(wanted, std::max(worker->reserved_bytes, worker->held_bytes));
  return reserved_bytes_ == 0 || reserved_bytes_ + held_bytes_ + wanted <= script_bytes_;
}

void LuaHandler::Dispatch() {
  const absl::Duration now = LuaAttempt::MonotonicNow();
  for (;;) {
    const Turn next = NextTurn(now);
    if (next.share == nullptr) return;
    LuaAttempt& attempt = *FrontOf(next).attempt;
    if (Running() >= options_.workers || !HasMemoryFor(attempt, attempt.held_by())) {
      // Somebody has to give way, when it has had its slice.
      for (const auto& worker : workers_) {
        const bool asked = worker->asked_at != absl::InfiniteDuration();
        if (worker->runs() && !asked) WatchUntil(worker->turn_start + SliceOf(*worker, *next.share));
      }
      return;
    }
    if (next.line == Shares::Line::kInPlace) {
      GoOn(next, now);
    } else if (idle_.empty()) {
      return;  // A process will be ready, soon.
    } else {
      LuaWorker& worker = *idle_.back();  // The last one used: its memory is warm.
      idle_.pop_back();
      Feed(worker, now);
    }
  }
}

void LuaHandler::Reserve(LuaWorker& worker, const LuaAttempt& attempt) {
  const size_t bytes = std::max(worker.reserved_bytes, BytesFor(attempt));
  reserved_bytes_ += bytes - worker.reserved_bytes;
  worker.reserved_bytes = bytes;
}

void LuaHandler::Feed(LuaWorker& worker, absl::Duration now) {
  const absl::Duration epoch = now - (absl::Now() - absl::UnixEpoch());
  const absl::Duration cpu_time = worker.process->CpuTime();
  // Each worker's share of all there are, so that the others have theirs.
  const auto workers = static_cast<size_t>(options_.workers);
  const size_t most = std::clamp<size_t>((shares_.size() + fed_ + workers - 1) / workers, 1, kMaxBatch);
  std::string batch;
  sandbox::StartBatch(batch);
  while (worker.batch.size() < most && batch.size() < sandbox::kBatchBytes) {
    const Turn next = NextTurn(now);
    if (next.share == nullptr || next.line == Shares::Line::kInPlace) break;
    LuaAttempt& attempt = *FrontOf(next).attempt;
    if (!worker.batch.empty()) {
      const bool quick = next.share->turn < kQuick && worker.share->turn < kQuick;
      if (attempt.alone() || (next.share != worker.share.get() && !quick)) break;
      if (!HasMemoryFor(attempt, &worker)) break;
    }
    const absl::Duration expected = next.share->turn;
    const Ready taken = shares_.Take(*next.share, next.line, expected);
    if (attempt.is_parked() && attempt.generation() != worker.process->generation()) {
      FinishLater(TakeInHand(&attempt));
      continue;
    }
    if (worker.batch.empty()) {
      worker.share = attempt.shared_share();
      ++worker.share->processes;
    }
    Reserve(worker, attempt);
    attempt.set_expected(expected);
    attempt.PutOffDeadline(now - taken.since);
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
  worker.state = LuaWorker::State::kBusy;
  worker.process->Send(batch);  // If it died a moment ago, OnDeath is on its way.
}

void LuaHandler::AddToBatch(LuaWorker& worker, LuaAttempt& attempt, absl::Duration epoch,
                            std::string& batch) {
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
  ++attempt.share().fed;
  ++fed_;
}

// The worker's batch is over, or held.
void LuaHandler::EndBatch(LuaWorker& worker) {
  reserved_bytes_ -= worker.reserved_bytes;
  worker.reserved_bytes = 0;
  if (worker.share != nullptr) --worker.share->processes;
  worker.share = nullptr;
  worker.overruns = false;
}

// For the turn that ends.
void LuaHandler::Charge(LuaWorker& worker, LuaAttempt& attempt, absl::Duration now) {
  Share& share = attempt.share();
  const absl::Duration used = now - worker.turn_start;
  shares_.Correct(share, used - attempt.expected());
  share.turn += (std::min(used, kSlice) - share.turn) / 8;
  turn_ += (std::min(used, kSlice) - turn_) / 8;
  worker.turn_start = now;
  worker.asked_at = absl::InfiniteDuration();
}

// --- attempts that stay in their processes ---

void LuaHandler::Hold(LuaWorker& worker, bool frozen) {
  LuaAttempt& attempt = *worker.batch.front();
  const absl::Duration now = LuaAttempt::MonotonicNow();
  Charge(worker, attempt, now);
  EndBatch(worker);
  if (frozen) worker.process->Freeze();
  worker.holding = frozen ? LuaWorker::Holding::kFrozen : LuaWorker::Holding::kWaiting;
  worker.held_bytes = worker.process->PrivateBytes().value_or(BytesFor(attempt));
  Share& share = attempt.share();
  --share.fed;
  --fed_;
  ++share.held;
  ++held_;
  share.held_bytes += worker.held_bytes;
  held_bytes_ += worker.held_bytes;
  attempt.set_held_by(&worker);
  if (frozen) shares_.Add(share, Shares::Line::kInPlace, {&attempt, now});
  // As many queues as there may be of them have one each, or they are large: somebody has to go.
  if (held_ > kMaxHeld || held_bytes_ > script_bytes_ / 2) {
    StopInWorker(worker, attempt, KillReason::kCrowded);
  }
}

void LuaHandler::LetGo(LuaWorker& worker) {
  LuaAttempt& attempt = *worker.batch.front();
  Share& share = attempt.share();
  shares_.Remove(share, &attempt);
  ++share.fed;
  ++fed_;
  --share.held;
  --held_;
  share.held_bytes -= worker.held_bytes;
  held_bytes_ -= worker.held_bytes;
  worker.held_bytes = 0;
  attempt.set_held_by(nullptr);
  if (worker.holding == LuaWorker::Holding::kFrozen) worker.process->Thaw();
  worker.holding = LuaWorker::Holding::kNone;
}

void LuaHandler::GoOn(const Turn& turn, absl::Duration now) {
  const absl::Duration expected = turn.share->turn;
  const Ready taken = shares_.Take(*turn.share, turn.line, expected);
  LuaAttempt& attempt = *taken.attempt;
  LuaWorker& worker = *attempt.held_by();
  const bool waits = worker.holding == LuaWorker::Holding::kWaiting;
  LetGo(worker);
  worker.share = attempt.shared_share();
  ++worker.share->processes;
  Reserve(worker, attempt);
  attempt.set_expected(expected);
  attempt.PutOffDeadline(now - taken.since);
  WatchUntil(attempt.deadline());
  worker.turn_start = now;
  worker.asked_at = absl::InfiniteDuration();
  if (!waits) return;
  const auto answer = attempt.TakeAnswer();
  SendAnswer(worker, attempt.id(), answer == nullptr ? absl::StatusOr<std::string>("") : *answer);
}

// --- what workers say ---

void LuaHandler::OnFrame(LuaWorker& worker, const sandbox::Frame& frame) {
  LuaWorker::State state;
  LuaAttempt* attempt;
  bool alone;
  {
    absl::MutexLock lock(&mu_);
    state = worker.state;
    attempt = worker.Find(AttemptOf(frame));
    alone = worker.batch.size() == 1;
    if (worker.broken) return;
    // What it had said when it was killed for another: this one runs again, as if it had not begun.
    const bool ends = attempt != nullptr && attempt->kill_reason() != KillReason::kNone;
    if (state == LuaWorker::State::kEnding && !ends) return;
  }
  if (state == LuaWorker::State::kStarting) {
    OnWorkerReady(worker, frame);
  } else if (attempt == nullptr) {
    OnBroken(worker);
  } else if (const auto* done = std::get_if<sandbox::Done>(&frame)) {
    OnDone(worker, *attempt, *done);
  } else if (const auto* parked = std::get_if<sandbox::Parked>(&frame)) {
    OnParked(worker, *attempt, *parked);
  } else if (std::holds_alternative<sandbox::Returned>(frame)) {
    OnReturned(worker, *attempt);
  } else if (const auto* waits = std::get_if<sandbox::Waits>(&frame); waits != nullptr && alone) {
    OnWaits(worker, *attempt, *waits);
  } else if (const auto* call = std::get_if<sandbox::Call>(&frame)) {
    if (!OnCall(worker, *attempt, *call)) OnBroken(worker);
  } else if (!attempt->OnEvent(frame)) {
    OnBroken(worker);
  }
}

// It did not keep to the protocol. Those of its batch that were not begun are run elsewhere.
void LuaHandler::OnBroken(LuaWorker& worker) {
  absl::MutexLock lock(&mu_);
  if (worker.state == LuaWorker::State::kEnding) return;
  worker.broken = true;
  spdlog::error("sandbox {} sent a frame out of turn and is killed", worker.process->pid());
  if (!worker.batch.empty()) worker.batch.front()->set_kill_reason(KillReason::kBroken);
  idle_.erase(std::remove(idle_.begin(), idle_.end(), &worker), idle_.end());
  Kill(worker);
}

// The attempt is out of the worker's hands; not `begun`: it never ran there.
void LuaHandler::TurnEnded(LuaWorker& worker, LuaAttempt& attempt, bool begun) {
  if (worker.holding != LuaWorker::Holding::kNone) {
    LetGo(worker);
  } else if (begun) {
    Charge(worker, attempt, LuaAttempt::MonotonicNow());
  } else {
    shares_.Correct(attempt.share(), -attempt.expected());
  }
  --attempt.share().fed;
  --fed_;
  const auto it = std::find(worker.batch.begin(), worker.batch.end(), &attempt);
  const bool was_first = it == worker.batch.begin();
  worker.batch.erase(it);
  if (was_first) SetGrace(worker);
  if (!worker.batch.empty()) return;
  EndBatch(worker);
  if (worker.state == LuaWorker::State::kBusy) BecomeIdle(worker);
}

void LuaHandler::OnDone(LuaWorker& worker, LuaAttempt& attempt, const sandbox::Done& done) {
  std::unique_ptr<LuaAttempt> over;
  {
    absl::MutexLock lock(&mu_);
    TurnEnded(worker, attempt, /*begun=*/true);
    over = TakeOut(&attempt);
    // Otherwise no worker has become free.
    if (worker.batch.empty()) Dispatch();
  }
  over->FinishDone(done);
}

void LuaHandler::OnReturned(LuaWorker& worker, LuaAttempt& attempt) {
  std::unique_ptr<LuaAttempt> over;
  bool missing = false;
  {
    absl::MutexLock lock(&mu_);
    TurnEnded(worker, attempt, /*begun=*/false);
    if (attempt.kill_reason() == KillReason::kNone) {
      shares_.Add(attempt.share(), Shares::Line::kFresh, {&attempt, LuaAttempt::MonotonicNow()});
    } else {
      over = TakeOut(&attempt);
    }
    if (worker.overruns && worker.batch.size() == 1 &&
        worker.batch.front()->kill_reason() == KillReason::kNone) {
      Hold(worker, /*frozen=*/true);
      missing = true;
    }
    Dispatch();
  }
  if (over != nullptr) over->FinishElsewhere();
  if (!missing) return;
  StartMissing();
  more_room_();
}

void LuaHandler::OnParked(LuaWorker& worker, LuaAttempt& attempt, const sandbox::Parked& parked) {
  std::unique_ptr<LuaAttempt> over;
  std::unique_ptr<std::string> request;
  {
    absl::MutexLock lock(&mu_);
    TurnEnded(worker, attempt, /*begun=*/true);
    attempt.Park(parked, *worker.process);
    SetKept(attempt, attempt.bytes());
    if (kept_bytes_ > options_.kept_bytes) attempt.set_kill_reason(KillReason::kCrowded);
    if (attempt.kill_reason() != KillReason::kNone) {
      over = TakeOut(&attempt);
    } else if (parked.why == sandbox::Why::kGivesWay) {
      shares_.Add(attempt.share(), Shares::Line::kTurned, {&attempt, LuaAttempt::MonotonicNow()});
    } else {
      request = attempt.TakeRequest();
      Park(TakeInHand(&attempt));
    }
    Dispatch();
  }
  // Before the request is made: with the answer it may go on, and end.
  if (over == nullptr) more_room_();
  if (request != nullptr) Submit(attempt, *std::move(request));
  if (over != nullptr) over->FinishElsewhere();
}

// As OnParked, where the process keeps it.
void LuaHandler::OnWaits(LuaWorker& worker, LuaAttempt& attempt, const sandbox::Waits& waits) {
  std::unique_ptr<std::string> request;
  {
    absl::MutexLock lock(&mu_);
    if (worker.state == LuaWorker::State::kEnding) return;
    if (worker.holding != LuaWorker::Holding::kNone) {
      // It came to wait as it was frozen.
      LetGo(worker);
      worker.turn_start = LuaAttempt::MonotonicNow();
      attempt.set_expected(absl::ZeroDuration());
    }
    attempt.Hold(waits);
    SetKept(attempt, attempt.bytes());
    Hold(worker, /*frozen=*/false);
    if (attempt.kill_reason() != KillReason::kNone) {
      // It is about to end.
    } else if (waits.why == sandbox::Why::kGivesWay) {
      shares_.Add(attempt.share(), Shares::Line::kInPlace, {&attempt, LuaAttempt::MonotonicNow()});
    } else {
      request = attempt.TakeRequest();
      Park(TakeInHand(&attempt));
    }
    Dispatch();
  }
  StartMissing();
  more_room_();
  if (request != nullptr) Submit(attempt, *std::move(request));
}

}  // namespace errand::handlers
