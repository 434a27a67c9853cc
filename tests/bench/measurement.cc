#include "tests/bench/measurement.h"

#include <algorithm>

namespace errand::bench {
namespace {

double Middle(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

double Percentile(std::vector<float>& values, double part) {
  if (values.empty()) return 0;
  const auto at = std::min(values.size() - 1, static_cast<size_t>(part * static_cast<double>(values.size())));
  const auto nth = values.begin() + static_cast<std::ptrdiff_t>(at);
  std::nth_element(values.begin(), nth, values.end());
  return *nth;
}

double Median(const Rounds& rounds, Figure figure) {
  std::vector<double> values;
  for (const Measurement& round : rounds) values.push_back(round.*figure);
  return Middle(std::move(values));
}

double MedianRatio(const Rounds& rounds, const Rounds& base, Figure figure) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(rounds.size(), base.size()); ++i) {
    if (base[i].*figure > 0) ratios.push_back((rounds[i].*figure) / (base[i].*figure));
  }
  return Middle(std::move(ratios));
}

}  // namespace errand::bench
