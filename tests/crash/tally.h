#ifndef ERRAND_TESTS_CRASH_TALLY_H_
#define ERRAND_TESTS_CRASH_TALLY_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <ostream>
#include <utility>

namespace errand {

// How often what was acknowledged.
struct Tally {
  int64_t submitted = 0;
  int64_t batches = 0;
  int64_t sent_again = 0;  // With the same request id.
  int64_t ended = 0;
  int64_t watched = 0;  // To the end.
  int64_t cancelled = 0;
  int64_t retried = 0;
  int64_t deleted = 0;
  int64_t queue_changes = 0;
  int64_t open = 0;  // Calls that a kill has cut off.

  static constexpr std::array<std::pair<const char*, int64_t Tally::*>, 10> Fields();
  Tally& operator+=(const Tally& other) {
    for (const auto& [name, field] : Fields()) this->*field += other.*field;
    return *this;
  }
  // Otherwise a test has not tested what it should.
  bool HasAll() const {
    const auto fields = Fields();
    return std::all_of(fields.begin(), fields.end(),
                       [this](const auto& field) { return this->*field.second > 0; });
  }
};

constexpr std::array<std::pair<const char*, int64_t Tally::*>, 10> Tally::Fields() {
  return {{{"submitted", &Tally::submitted},
           {"batches", &Tally::batches},
           {"sent again", &Tally::sent_again},
           {"ended", &Tally::ended},
           {"watched", &Tally::watched},
           {"cancelled", &Tally::cancelled},
           {"retried", &Tally::retried},
           {"deleted", &Tally::deleted},
           {"queue changes", &Tally::queue_changes},
           {"cut off", &Tally::open}}};
}

inline std::ostream& operator<<(std::ostream& out, const Tally& tally) {
  const char* between = "";
  for (const auto& [name, field] : Tally::Fields()) {
    out << between << tally.*field << " " << name;
    between = ", ";
  }
  return out;
}

}  // namespace errand

#endif  // ERRAND_TESTS_CRASH_TALLY_H_
