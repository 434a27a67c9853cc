#ifndef ERRAND_SERVER_STORE_LOG_JOB_THREAD_H_
#define ERRAND_SERVER_STORE_LOG_JOB_THREAD_H_

#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"

namespace errand::store::log {

// Runs jobs, one after the other, on a thread of its own. Any thread.
class JobThread {
 public:
  using Job = absl::AnyInvocable<void()>;

  JobThread() : thread_([this] { Run(); }) {}
  // Every job has run when it returns.
  ~JobThread() {
    {
      absl::MutexLock lock(&mu_);
      closing_ = true;
    }
    thread_.join();
  }

  JobThread(const JobThread&) = delete;
  JobThread& operator=(const JobThread&) = delete;

  void Post(Job job) {
    absl::MutexLock lock(&mu_);
    jobs_.push_back(std::move(job));
  }

 private:
  void Run() {
    for (;;) {
      Job job;
      {
        absl::MutexLock lock(&mu_);
        const auto has_work = [this]()
                                  ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return closing_ || !jobs_.empty(); };
        mu_.Await(absl::Condition(&has_work));
        if (jobs_.empty()) return;
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
      job();
    }
  }

  absl::Mutex mu_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mu_);
  bool closing_ ABSL_GUARDED_BY(mu_) = false;

  std::thread thread_;
};

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_JOB_THREAD_H_
