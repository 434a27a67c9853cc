#include "server/rpc/timers.h"

namespace errand::rpc {

Timers::~Timers() {
  {
    absl::MutexLock lock(&mu_);
    closing_ = true;
  }
  changed_.Signal();
  thread_.join();
}

void Timers::Set(Timer* timer, clock::Instant when) {
  bool is_first;
  {
    absl::MutexLock lock(&mu_);
    timer->when_ = when;
    timer->number_ = next_number_++;
    timers_.insert(timer);
    is_first = *timers_.begin() == timer;
  }
  if (is_first) changed_.Signal();
}

bool Timers::Cancel(Timer* timer) {
  absl::MutexLock lock(&mu_);
  return timers_.erase(timer) > 0;
}

void Timers::Run() {
  absl::MutexLock lock(&mu_);
  while (!closing_) {
    if (timers_.empty()) {
      changed_.Wait(&mu_);
    } else if (Timer* const first = *timers_.begin(); clock::Instant::Now() < first->when_) {
      changed_.WaitUntil(&mu_, first->when_);
    } else {
      timers_.erase(timers_.begin());
      mu_.Unlock();
      first->OnTime();
      mu_.Lock();
    }
  }
}

}  // namespace errand::rpc
