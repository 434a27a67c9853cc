#include "server/handlers/lua/source_checker.h"

#include <algorithm>
#include <utility>
#include <variant>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "server/handlers/lua/lua_attempt.h"
#include "server/task/errors.h"
#include "server/task/limits.h"
#include "spdlog/spdlog.h"

namespace errand::handlers {
namespace {

constexpr size_t kMaxPending = 256;
constexpr size_t kGeneration = 4096;
constexpr size_t kShortBytes = 16 << 10;  // Compiled in a millisecond.
constexpr absl::Duration kMinBackoff = absl::Milliseconds(100);
constexpr absl::Duration kMaxBackoff = absl::Seconds(5);
constexpr absl::Duration kRetryDelay = absl::Seconds(1);

// Without the place that Lua's message starts with: "script:3: unexpected symbol near 'x'".
task::ScriptProblem ToProblem(const sandbox::Checked& checked) {
  task::ScriptProblem problem;
  problem.line = static_cast<int32_t>(checked.line);
  problem.column = static_cast<int32_t>(checked.column);
  absl::string_view message(checked.problem.data(), checked.problem.size());
  absl::ConsumePrefix(&message, absl::StrCat("script:", checked.line, ": "));
  problem.message = std::string(message);
  return problem;
}

}  // namespace

class SourceChecker::Owner final : public SandboxProcess::Owner {
 public:
  explicit Owner(SourceChecker& checker) : checker_(checker) {}
  void OnFrame(const sandbox::Frame& frame) override { checker_.OnFrame(frame); }
  void OnDeath(const SandboxProcess::Death& death) override { checker_.OnProcessGone(death.reason); }

 private:
  SourceChecker& checker_;
};

SourceChecker::SourceChecker(Zygote* zygote, absl::Duration patience)
    : zygote_(zygote),
      loop_(zygote->loop()),
      patience_(patience),
      owner_(std::make_unique<Owner>(*this)),
      overdue_(std::make_unique<io::Timer>(loop_, [this] { OnOverdue(); })),
      backoff_(std::make_unique<io::Timer>(loop_, [this] { StartProcess(); })) {
  loop_->Post([this] { StartProcess(); });
}

SourceChecker::~SourceChecker() {
  absl::Notification done;
  loop_->Post([this, &done] {
    ShutDown();
    done.Notify();
  });
  done.WaitForNotification();
}

void SourceChecker::Check(std::string field, std::string source,
                          absl::AnyInvocable<void(absl::Status)> done) {
  const size_t hash = Hash(source);
  if (IsKnownGood(hash)) {
    done(absl::OkStatus());
    return;
  }
  Post(std::move(source), [this, hash, field = std::move(field),
                           done = std::move(done)](const sandbox::Checked* checked) mutable {
    if (checked != nullptr && !checked->compiles) {
      done(task::InvalidSource(field, {ToProblem(*checked)}));
      return;
    }
    if (checked != nullptr) RememberGood(hash);
    done(absl::OkStatus());
  });
}

void SourceChecker::Compile(std::string source, absl::AnyInvocable<void(absl::StatusOr<Problems>)> done) {
  Post(std::move(source), [done = std::move(done)](const sandbox::Checked* checked) mutable {
    if (checked == nullptr) {
      done(task::TryAgain("COMPILER_NOT_ANSWERING", "the compiler gave no answer in time; try again",
                          kRetryDelay));
      return;
    }
    Problems problems;
    if (!checked->compiles) {
      problems.push_back(ToProblem(*checked));
    }
    done(std::move(problems));
  });
}

void SourceChecker::Post(std::string source, Answered done) {
  Pending pending{std::move(source), std::move(done), LuaAttempt::MonotonicNow() + patience_};
  loop_->Post([this, pending = std::move(pending)]() mutable { Enqueue(std::move(pending)); });
}

// Two sources of one hash do no harm: the attempt tells.
size_t SourceChecker::Hash(const std::string& source) { return absl::Hash<std::string>()(source); }

bool SourceChecker::IsKnownGood(size_t hash) {
  absl::MutexLock lock(&mu_);
  return young_.count(hash) != 0 || old_.count(hash) != 0;
}

void SourceChecker::RememberGood(size_t hash) {
  absl::MutexLock lock(&mu_);
  if (young_.size() >= kGeneration) {
    old_ = std::move(young_);
    young_.clear();
  }
  young_.insert(hash);
}

void SourceChecker::Enqueue(Pending pending) {
  const bool unanswerable = (process_ == nullptr && !forking_) || queue_.size() >= kMaxPending ||
                            pending.source.size() > static_cast<size_t>(task::kMaxSourceBytes);
  if (unanswerable) {
    pending.done(nullptr);
    return;
  }
  queue_.insert(PlaceFor(pending), std::move(pending));
  if (!overdue_->is_set()) overdue_->Set(patience_);
  SendNext();
}

// Behind those that are as short, and never before the one that is being compiled.
std::deque<SourceChecker::Pending>::iterator SourceChecker::PlaceFor(const Pending& pending) {
  const auto is_long = [](const Pending& other) { return other.source.size() > kShortBytes; };
  if (is_long(pending)) return queue_.end();
  return std::find_if(queue_.begin() + (sent_ ? 1 : 0), queue_.end(), is_long);
}

void SourceChecker::StartProcess() {
  forking_ = true;
  zygote_->Fork(owner_.get(), [this](absl::StatusOr<std::shared_ptr<SandboxProcess>> forked) {
    forking_ = false;
    if (closing_) return;
    if (forked.ok()) {
      process_ = *std::move(forked);
    } else {
      OnProcessGone(std::string(forked.status().message()));
    }
  });
}

void SourceChecker::SendNext() {
  if (!ready_ || sent_ || queue_.empty()) return;
  std::string batch;
  sandbox::StartBatch(batch);
  sandbox::Append(sandbox::Check{queue_.front().source}, batch);
  sandbox::FinishBatch(batch);
  sent_ = process_->Send(batch);  // If not, OnProcessGone follows.
}

void SourceChecker::OnFrame(const sandbox::Frame& frame) {
  if (const auto* ready = std::get_if<sandbox::Ready>(&frame);
      ready != nullptr && ready->version == sandbox::kProtocolVersion && !ready_) {
    ready_ = true;
    failures_ = 0;
    SendNext();
    return;
  }
  const auto* checked = std::get_if<sandbox::Checked>(&frame);
  if (checked == nullptr || !sent_) {
    process_->Kill();
    return;
  }
  Pending first = std::move(queue_.front());
  queue_.pop_front();
  sent_ = false;
  SendNext();
  first.done(checked);
}

void SourceChecker::OnProcessGone(const std::string& why) {
  process_ = nullptr;
  // A source that ends the process is not its fault, and not a reason to wait.
  const bool never_ready = !std::exchange(ready_, false);
  sent_ = false;
  AnswerNone();
  if (!never_ready) {
    StartProcess();
    return;
  }
  const absl::Duration wait = std::min(kMaxBackoff, kMinBackoff * (1 << std::min(failures_, 10)));
  ++failures_;
  spdlog::error("the sandbox that checks sources: {}; trying again in {} ms", why,
                absl::ToInt64Milliseconds(wait));
  backoff_->Set(wait);
}

void SourceChecker::OnOverdue() {
  const absl::Duration now = LuaAttempt::MonotonicNow();
  // A process that is still starting is not to blame.
  const bool stuck = sent_ && queue_.front().deadline <= now;
  std::vector<Pending> overdue;
  absl::Duration next = absl::InfiniteDuration();
  for (Pending& pending : queue_) {
    if (pending.deadline <= now) {
      overdue.push_back(std::move(pending));
    } else {
      next = std::min(next, pending.deadline - now);
    }
  }
  queue_.erase(std::remove_if(queue_.begin(), queue_.end(),
                              [now](const Pending& pending) { return pending.deadline <= now; }),
               queue_.end());
  overdue_->Set(next);
  if (stuck) {
    // Not only killed: an answer that is under way would be taken for the next source's.
    process_->End();
    process_ = nullptr;
    ready_ = false;
    sent_ = false;
    StartProcess();
  }
  for (Pending& pending : overdue) pending.done(nullptr);
}

void SourceChecker::AnswerNone() {
  std::deque<Pending> all;
  all.swap(queue_);
  for (Pending& pending : all) pending.done(nullptr);
}

void SourceChecker::ShutDown() {
  overdue_ = nullptr;
  backoff_ = nullptr;
  closing_ = true;
  zygote_->Forget(owner_.get());
  if (process_ != nullptr) process_->End();
  process_ = nullptr;
  AnswerNone();
}

}  // namespace errand::handlers
