#ifndef ERRAND_SERVER_STORE_MEMORY_RATE_METER_H_
#define ERRAND_SERVER_STORE_MEMORY_RATE_METER_H_

#include <array>
#include <cstdint>

#include "absl/time/time.h"
#include "server/clock/instant.h"

namespace errand::store {

// Counts what happened in the last five minutes, to the nearest five seconds.
class RateMeter {
 public:
  void Add(clock::Instant now) {
    MoveTo(now);
    ++counts_[Index(latest_)];
  }

  // How often a second, over the last `window`: at most five minutes.
  double PerSecond(clock::Instant now, absl::Duration window) {
    MoveTo(now);
    int64_t sum = 0;
    const int64_t slots = window / kSlot;
    for (int64_t slot = latest_ - slots + 1; slot <= latest_; ++slot) sum += counts_[Index(slot)];
    return static_cast<double>(sum) / absl::ToDoubleSeconds(window);
  }

 private:
  static constexpr absl::Duration kSlot = absl::Seconds(5);
  static constexpr int64_t kSlots = 60;

  static size_t Index(int64_t slot) { return static_cast<size_t>(((slot % kSlots) + kSlots) % kSlots); }

  void MoveTo(clock::Instant now) {
    const int64_t slot = (now - clock::Instant()) / kSlot;
    if (slot - latest_ >= kSlots) {
      counts_.fill(0);
      latest_ = slot;
    }
    while (latest_ < slot) counts_[Index(++latest_)] = 0;
  }

  std::array<uint32_t, kSlots> counts_{};
  int64_t latest_ = 0;  // The slot that counts now; those before it are kept.
};

}  // namespace errand::store

#endif  // ERRAND_SERVER_STORE_MEMORY_RATE_METER_H_
