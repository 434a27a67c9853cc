#ifndef ERRAND_TESTS_STORE_LOG_THINNING_H_
#define ERRAND_TESTS_STORE_LOG_THINNING_H_

namespace errand::store {

// A test that tries a failure at every place tries it at every kThinning-th: all of them in a plain build,
// fewer under a sanitizer, where each takes ten times as long and what differs is not where the failure is.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr int kThinning = 4;
#else
inline constexpr int kThinning = 1;
#endif

}  // namespace errand::store

#endif  // ERRAND_TESTS_STORE_LOG_THINNING_H_
