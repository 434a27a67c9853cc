#include "server/rpc/guard/inflation.h"

#include <atomic>

namespace errand::rpc {
namespace {

// Text compresses to a tenth at best, as a rule; small messages do not matter.
constexpr int64_t kUsualRatio = 10;
constexpr int64_t kSmall = 64 << 10;

absl::Mutex mu(absl::kConstInit);
Allowance excess ABSL_GUARDED_BY(mu)(0, 0);
std::atomic<int64_t> most_message_bytes{0};

}  // namespace

void Inflation::Limit(int64_t message_bytes) {
  absl::MutexLock lock(&mu);
  excess = Allowance(static_cast<double>(message_bytes), static_cast<double>(message_bytes));
  most_message_bytes.store(message_bytes);
}

bool Inflation::Grow(int64_t in, int64_t out, int64_t produced, double now) {
  const int64_t most = most_message_bytes.load(std::memory_order_relaxed);
  if (most == 0) return true;
  if (out > most) return false;
  if (out <= kSmall + kUsualRatio * in) return true;
  absl::MutexLock lock(&mu);
  return excess.Take(now, static_cast<double>(produced));
}

}  // namespace errand::rpc
