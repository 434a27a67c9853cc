// Tells TSan what Abseil's mutexes order. Debian's libabsl_synchronization is not instrumented, so TSan sees
// that two threads touch the same bytes but not the lock between them. In a TSan build the linker sends each
// call of ours through here (-Wl,--wrap), where the release or acquire is said; nothing else changes, and a
// lock that is missing is still found.
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);

namespace {

using absl::BlockingCounter;
using absl::Condition;
using absl::CondVar;
using absl::Duration;
using absl::Mutex;
using absl::Notification;
using absl::Time;

// HasBeenNotified is inline and loads the flag that stands behind the mutex: where TSan looks for a release.
static_assert(sizeof(Notification) == 2 * sizeof(Mutex));
void* Flag(const Notification* notification) {
  return const_cast<char*>(reinterpret_cast<const char*>(notification)) + sizeof(Mutex);
}

}  // namespace

#define ERRAND_WRAP(result, name, symbol, ...)                         \
  result Real##name(__VA_ARGS__) __asm__("__real_" symbol);            \
  extern "C" result Wrap##name(__VA_ARGS__) __asm__("__wrap_" symbol); \
  result Wrap##name(__VA_ARGS__)

ERRAND_WRAP(void, Lock, "_ZN4absl7debian35Mutex4LockEv", Mutex* mutex) {
  RealLock(mutex);
  __tsan_acquire(mutex);
}

ERRAND_WRAP(void, Unlock, "_ZN4absl7debian35Mutex6UnlockEv", Mutex* mutex) {
  __tsan_release(mutex);
  RealUnlock(mutex);
}

// A condition is evaluated under the mutex, but by whichever thread is about to unlock it.
class Observed {
 public:
  Observed(Mutex* mutex, const Condition& condition) : mutex_(mutex), condition_(condition) {
    __tsan_release(mutex_);
  }
  ~Observed() { __tsan_acquire(mutex_); }

  bool Eval() {
    __tsan_acquire(mutex_);
    const bool met = condition_.Eval();
    __tsan_release(mutex_);
    return met;
  }

 private:
  Mutex* const mutex_;
  const Condition& condition_;
};

ERRAND_WRAP(void, Await, "_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE", Mutex* mutex,
            const Condition& condition) {
  Observed observed(mutex, condition);
  RealAwait(mutex, Condition(&observed, &Observed::Eval));
}

ERRAND_WRAP(bool, AwaitWithTimeout,
            "_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE", Mutex* mutex,
            const Condition& condition, Duration timeout) {
  Observed observed(mutex, condition);
  return RealAwaitWithTimeout(mutex, Condition(&observed, &Observed::Eval), timeout);
}

ERRAND_WRAP(bool, AwaitWithDeadline, "_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE",
            Mutex* mutex, const Condition& condition, Time deadline) {
  Observed observed(mutex, condition);
  return RealAwaitWithDeadline(mutex, Condition(&observed, &Observed::Eval), deadline);
}

ERRAND_WRAP(void, CondVarWait, "_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE", CondVar* changed, Mutex* mutex) {
  __tsan_release(mutex);
  RealCondVarWait(changed, mutex);
  __tsan_acquire(mutex);
}

ERRAND_WRAP(bool, CondVarWaitWithTimeout,
            "_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE", CondVar* changed,
            Mutex* mutex, Duration timeout) {
  __tsan_release(mutex);
  const bool timed_out = RealCondVarWaitWithTimeout(changed, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

ERRAND_WRAP(bool, CondVarWaitWithDeadline,
            "_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE", CondVar* changed,
            Mutex* mutex, Time deadline) {
  __tsan_release(mutex);
  const bool timed_out = RealCondVarWaitWithDeadline(changed, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

ERRAND_WRAP(void, Notify, "_ZN4absl7debian312Notification6NotifyEv", Notification* notification) {
  __tsan_release(Flag(notification));
  RealNotify(notification);
}

ERRAND_WRAP(void, Wait, "_ZNK4absl7debian312Notification19WaitForNotificationEv",
            const Notification* notification) {
  RealWait(notification);
  __tsan_acquire(Flag(notification));
}

ERRAND_WRAP(bool, WaitWithTimeout,
            "_ZNK4absl7debian312Notification30WaitForNotificationWithTimeoutENS0_8DurationE",
            const Notification* notification, Duration timeout) {
  const bool notified = RealWaitWithTimeout(notification, timeout);
  if (notified) __tsan_acquire(Flag(notification));
  return notified;
}

ERRAND_WRAP(bool, DecrementCount, "_ZN4absl7debian315BlockingCounter14DecrementCountEv",
            BlockingCounter* counter) {
  __tsan_release(counter);
  return RealDecrementCount(counter);
}

ERRAND_WRAP(void, WaitForCounter, "_ZN4absl7debian315BlockingCounter4WaitEv", BlockingCounter* counter) {
  RealWaitForCounter(counter);
  __tsan_acquire(counter);
}
