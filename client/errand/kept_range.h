#ifndef ERRAND_KEPT_RANGE_H_
#define ERRAND_KEPT_RANGE_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace errand {

// The events that the server still has, by sequence or position.
struct KeptRange {
  int64_t oldest = 0;
  int64_t latest = 0;
};

// What an OUT_OF_RANGE of WatchTask (`number` is "sequence") or WatchQueue ("position") says about the events
// that are kept; nothing when `error` is another one or does not say. Any thread.
std::optional<KeptRange> FindKeptRange(const absl::Status& error, absl::string_view number);

}  // namespace errand

#endif  // ERRAND_KEPT_RANGE_H_
