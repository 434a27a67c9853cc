#include "server/rpc/suspects.h"

namespace errand::rpc {
namespace {

// So many cuts, each within so many seconds of the one before; one may be bad luck.
constexpr int kCuts = 3;
constexpr double kSeconds = 10;

constexpr double kNewcomers = 20;
constexpr double kNewcomersASecond = 100;

// Then those that are none any more are forgotten.
constexpr size_t kMany = 10'000;

}  // namespace

void Suspects::OnCut(const PeerAddress::Network& network, double now) {
  absl::MutexLock lock(&mu_);
  if (suspects_.size() >= kMany) Forget(now);
  Suspect& suspect =
      suspects_.try_emplace(network, Suspect{0, now, Allowance(kNewcomers, kNewcomersASecond)}).first->second;
  suspect.cuts = now - suspect.last_cut > kSeconds ? 1 : suspect.cuts + 1;
  suspect.last_cut = now;
}

bool Suspects::Contains(const PeerAddress::Network& network, double now) const {
  absl::MutexLock lock(&mu_);
  const auto suspect = suspects_.find(network);
  return suspect != suspects_.end() && IsSuspect(suspect->second, now);
}

bool Suspects::Admit(const PeerAddress::Network& network, double now) {
  absl::MutexLock lock(&mu_);
  const auto suspect = suspects_.find(network);
  return suspect == suspects_.end() || !IsSuspect(suspect->second, now) ||
         suspect->second.newcomers.Take(now, 1);
}

void Suspects::Forget(double now) {
  absl::erase_if(suspects_, [now](const auto& suspect) { return now - suspect.second.last_cut > kSeconds; });
}

bool Suspects::IsSuspect(const Suspect& suspect, double now) {
  return suspect.cuts >= kCuts && now - suspect.last_cut <= kSeconds;
}

}  // namespace errand::rpc
