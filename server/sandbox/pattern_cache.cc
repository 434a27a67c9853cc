#include "server/sandbox/pattern_cache.h"

#include <malloc.h>

#include <cstdint>

namespace errand::sandbox {
namespace {

// For a program and the states of its automaton, which are made while it runs.
constexpr int64_t kMaxProgramBytes = 1 << 20;
// For all that is there before the first match: RE2 also keeps the parse tree, which it does not bound, and
// 4 KiB of "\pL" make one of 7 MiB.
constexpr size_t kMaxCompiledBytes = 512 << 10;
// An error quotes the pattern.
constexpr size_t kMaxProblemBytes = 256;

size_t AllocatedBytes() {
  const struct mallinfo2 information = mallinfo2();
  return information.uordblks + information.hblkhd;
}

RE2::Options MakeOptions() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMaxProgramBytes);
  return options;
}

}  // namespace

const RE2* PatternCache::Find(std::string_view pattern, std::string& problem) {
  if (!compiled_.empty() && compiled_.front().pattern() == pattern) return &compiled_.front();
  if (const auto found = places_.find(pattern); found != places_.end()) {
    compiled_.splice(compiled_.begin(), compiled_, found->second);
    return &compiled_.front();
  }
  if (pattern.size() > kMaxPatternBytes) {
    problem = "the pattern is longer than " + std::to_string(kMaxPatternBytes) + " bytes";
    return nullptr;
  }
  const size_t before = AllocatedBytes();
  const RE2& made = compiled_.emplace_front(re2::StringPiece(pattern.data(), pattern.size()), MakeOptions());
  if (!made.ok()) {
    problem = made.error().substr(0, kMaxProblemBytes);
  } else if (made.NumberOfCapturingGroups() > kMaxGroups) {
    problem = "the pattern has more than " + std::to_string(kMaxGroups) + " groups that capture";
  } else if (AllocatedBytes() > before + kMaxCompiledBytes) {
    problem = "pattern too large";
  }
  if (!problem.empty()) {
    compiled_.pop_front();
    return nullptr;
  }
  places_.emplace(made.pattern(), compiled_.begin());
  if (compiled_.size() > kMaxEntries) {
    places_.erase(compiled_.back().pattern());
    compiled_.pop_back();
  }
  return &made;
}

}  // namespace errand::sandbox
