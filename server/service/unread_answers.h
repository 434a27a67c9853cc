#ifndef ERRAND_SERVER_SERVICE_UNREAD_ANSWERS_H_
#define ERRAND_SERVER_SERVICE_UNREAD_ANSWERS_H_

#include <cstddef>
#include <cstdint>
#include <list>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/clock/instant.h"
#include "server/task/errors.h"

namespace errand::service {

// Bounds what the answers and frames take that clients have not read yet, of all calls together: gRPC holds
// each until its client's window has room. Where there would be too much, calls are cut whose client has not
// read for a while, the one that has waited longest first; where none has, the new answer is refused. Small
// answers do not count. Any thread.
class UnreadAnswers {
 public:
  static constexpr size_t kSmallBytes = 4 << 10;
  static constexpr absl::Duration kPatience = absl::Seconds(2);

  explicit UnreadAnswers(int64_t max_bytes, absl::AnyInvocable<clock::Instant()> clock = &clock::Instant::Now)
      : max_bytes_(max_bytes), clock_(std::move(clock)) {}

 private:
  struct Answer {
    int64_t bytes;
    clock::Instant since;
    absl::AnyInvocable<void()> cut;
  };

 public:
  // An answer on its way, until the scope ends.
  class Held {
   public:
    // `cut` ends the call, by making its write fail; it must not end its frame.
    Held(UnreadAnswers& all, size_t bytes, absl::AnyInvocable<void()> cut) : all_(all) {
      if (bytes < kSmallBytes) return;
      absl::MutexLock lock(&all.mu_);
      status_ = all.MakeRoom(static_cast<int64_t>(bytes));
      if (!status_.ok()) return;
      all.bytes_ += static_cast<int64_t>(bytes);
      all.answers_.push_back({static_cast<int64_t>(bytes), all.clock_(), std::move(cut)});
      own_ = --all.answers_.end();
      held_ = true;
    }
    ~Held() {
      if (!held_) return;
      absl::MutexLock lock(&all_.mu_);
      all_.bytes_ -= own_->bytes;
      all_.answers_.erase(own_);
    }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;

    // RESOURCE_EXHAUSTED / ANSWERS_FULL with a RetryInfo: there is no room for the answer.
    const absl::Status& status() const { return status_; }

   private:
    UnreadAnswers& all_;
    absl::Status status_;
    std::list<Answer>::iterator own_;
    bool held_ = false;
  };

 private:
  absl::Status MakeRoom(int64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const clock::Instant now = clock_();
    int64_t left = bytes_;
    // Those that are cut go when their frames do.
    for (Answer& answer : answers_) {
      if (left + bytes <= max_bytes_ || answer.since + kPatience > now) break;
      left -= answer.bytes;
      if (answer.cut) std::exchange(answer.cut, nullptr)();
    }
    // One alone is sent, however large.
    if (left == 0 || left + bytes <= max_bytes_) return absl::OkStatus();
    return task::AnswersFull(absl::Seconds(1));
  }

  const int64_t max_bytes_;

  absl::Mutex mu_;
  absl::AnyInvocable<clock::Instant()> clock_ ABSL_GUARDED_BY(mu_);
  int64_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::list<Answer> answers_ ABSL_GUARDED_BY(mu_);  // The one that has waited longest first.
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_UNREAD_ANSWERS_H_
