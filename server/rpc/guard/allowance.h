#ifndef ERRAND_SERVER_RPC_GUARD_ALLOWANCE_H_
#define ERRAND_SERVER_RPC_GUARD_ALLOWANCE_H_

#include <algorithm>

namespace errand::rpc {

// How often something may happen: a number at once, that comes back at a rate. Times are in seconds, of a
// clock that never goes back.
class Allowance {
 public:
  Allowance(double most, double a_second) : Allowance(most, a_second, most, 0) {}
  // `first` is what there is at `now`.
  Allowance(double most, double a_second, double first, double now)
      : most_(most), a_second_(a_second), left_(first), last_(now) {}

  // False when there is not as much left; then nothing is taken.
  bool Take(double now, double amount) {
    left_ = std::min(most_, left_ + std::max(0.0, now - last_) * a_second_);
    last_ = now;
    if (left_ < amount) return false;
    left_ -= amount;
    return true;
  }

  void Earn(double amount) { left_ = std::min(most_, left_ + amount); }

 private:
  double most_;
  double a_second_;
  double left_;
  double last_;
};

}  // namespace errand::rpc

#endif  // ERRAND_SERVER_RPC_GUARD_ALLOWANCE_H_
