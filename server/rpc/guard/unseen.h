#ifndef ERRAND_SERVER_RPC_GUARD_UNSEEN_H_
#define ERRAND_SERVER_RPC_GUARD_UNSEEN_H_

// What this program does in libgrpc's place the thread sanitizer would see, but not how libgrpc orders it:
// that is not instrumented. These tell it, as server/rpc/tag.h does; otherwise they are nothing.
#if defined(__SANITIZE_THREAD__)
#define ERRAND_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ERRAND_TSAN 1
#endif
#endif

#ifdef ERRAND_TSAN
extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

namespace errand::rpc {

// As long as one lives its thread's accesses are not looked at.
class Unseen {
 public:
#ifdef ERRAND_TSAN
  Unseen() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unseen() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
#else
  Unseen() {}
  ~Unseen() {}
#endif
  Unseen(const Unseen&) = delete;
  Unseen& operator=(const Unseen&) = delete;
};

// What was done before the first is ordered before what is done after the second, of the same address.
#ifdef ERRAND_TSAN
inline void OrderBefore(void* address) { __tsan_release(address); }
inline void OrderAfter(void* address) { __tsan_acquire(address); }
#else
inline void OrderBefore(void*) {}
inline void OrderAfter(void*) {}
#endif

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_GUARD_UNSEEN_H_
