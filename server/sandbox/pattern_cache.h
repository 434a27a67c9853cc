#ifndef ERRAND_SERVER_SANDBOX_PATTERN_CACHE_H_
#define ERRAND_SERVER_SANDBOX_PATTERN_CACHE_H_

#include <re2/re2.h>

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace errand::sandbox {

// Regular expressions that were compiled, the last ones used. They outlive the run that brought them: of a
// script's data nothing but the pattern is kept.
//
// Their memory is the process's, not the task's: at most 32 times 1.5 MiB, and a few KiB each as a rule. A
// pattern that would take more is refused. One thread; to be used in a HostSection (interrupts.h).
class PatternCache {
 public:
  static constexpr size_t kMaxPatternBytes = 4 << 10;
  // Of groups that capture.
  static constexpr int kMaxGroups = 64;

  PatternCache() = default;
  PatternCache(const PatternCache&) = delete;
  PatternCache& operator=(const PatternCache&) = delete;

  // What is returned is valid until the next call. Null when the pattern is refused; `problem` says why.
  const RE2* Find(std::string_view pattern, std::string& problem);

 private:
  static constexpr size_t kMaxEntries = 32;

  std::list<RE2> compiled_;  // The last one used is the first.
  // The keys view the patterns that the expressions keep.
  std::unordered_map<std::string_view, std::list<RE2>::iterator> places_;
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_PATTERN_CACHE_H_
