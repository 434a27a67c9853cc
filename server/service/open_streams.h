#ifndef ERRAND_SERVER_SERVICE_OPEN_STREAMS_H_
#define ERRAND_SERVER_SERVICE_OPEN_STREAMS_H_

#include <list>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "server/clock/condition_variable.h"
#include "server/clock/instant.h"
#include "server/rpc/loop.h"

namespace errand::service {

// The calls of one loop that wait for something to happen, so that a drain can end them. For the loop's
// thread, but for Close.
class OpenStreams final : private rpc::Posted {
 public:
  // Wakes the call up and tells it why it has to end; must not end its frame.
  using Closer = absl::AnyInvocable<void(const absl::Status& reason)>;

  explicit OpenStreams(rpc::Loop& loop) : loop_(loop) {}

  // Counts a call as open from here to the end of its scope. After Close it is closed at once.
  class Membership {
   public:
    Membership(OpenStreams& streams, Closer close)
        : streams_(streams), entry_(streams.open_.insert(streams.open_.end(), std::move(close))) {
      streams_.Count(1);
      if (!streams_.reason_.ok()) (*entry_)(streams_.reason_);
    }
    ~Membership() {
      streams_.open_.erase(entry_);
      streams_.Count(-1);
    }
    Membership(const Membership&) = delete;
    Membership& operator=(const Membership&) = delete;

   private:
    OpenStreams& streams_;
    const std::list<Closer>::iterator entry_;
  };

  // Closes all calls, those that will come included. Any thread; once, while the loop runs.
  void Close(absl::Status reason) {
    posted_reason_ = std::move(reason);
    loop_.Post(this);
  }

  // Waits until no call is open, or until `deadline`. Any thread but the loop's.
  void WaitUntilEmpty(clock::Instant deadline) {
    absl::MutexLock lock(&mu_);
    while (count_ != 0 && clock::Instant::Now() < deadline) emptied_.WaitUntil(&mu_, deadline);
  }

 private:
  void Count(int change) {
    absl::MutexLock lock(&mu_);
    count_ += change;
    if (count_ == 0) emptied_.Signal();
  }

  void Run() override {
    reason_ = posted_reason_;
    for (Closer& close : open_) close(reason_);
  }

  rpc::Loop& loop_;
  absl::Status posted_reason_;
  absl::Status reason_;
  std::list<Closer> open_;

  absl::Mutex mu_;
  clock::ConditionVariable emptied_;
  int count_ ABSL_GUARDED_BY(mu_) = 0;
};

// For a call that waits at a mailbox.
template <class MailboxPtr>
OpenStreams::Closer CloseMailbox(MailboxPtr mailbox) {
  return [mailbox = std::move(mailbox)](const absl::Status& reason) { mailbox->Close(reason); };
}

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_OPEN_STREAMS_H_
