#ifndef ERRAND_SERVER_RPC_TAG_H_
#define ERRAND_SERVER_RPC_TAG_H_

namespace errand::rpc {

// What every `void*` on a completion queue points to: one function to call. The loop's one branch.
struct Tag {
  // `ok` as documented at grpc::CompletionQueue::Next.
  void (*on_complete)(Tag* tag, bool ok) = nullptr;
};

// gRPC as packaged is not instrumented, so the thread sanitizer does not see that what was written before
// an operation started is ordered before its completion. These tell it; otherwise they are nothing.
#if defined(__SANITIZE_THREAD__)
#define ERRAND_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ERRAND_TSAN 1
#endif
#endif
#ifdef ERRAND_TSAN
extern "C" void __tsan_acquire(void* address);
extern "C" void __tsan_release(void* address);
inline void BeforeStart(Tag* tag) { __tsan_release(tag); }
inline void AfterCompletion(Tag* tag) { __tsan_acquire(tag); }
#else
inline void BeforeStart(Tag*) {}
inline void AfterCompletion(Tag*) {}
#endif

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_TAG_H_
