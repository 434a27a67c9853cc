#include "server/config/byte_size.h"

#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace errand::config {
namespace {

constexpr absl::string_view kUnits[] = {"", "Ki", "Mi", "Gi", "Ti"};

}  // namespace

std::optional<int64_t> ParseByteSize(absl::string_view text) {
  absl::string_view digits = text;
  int shift = 0;
  for (int unit = 1; unit < 5; ++unit) {
    absl::string_view rest = text;
    if (!absl::ConsumeSuffix(&rest, absl::StrCat(kUnits[unit], "B")) &&
        !absl::ConsumeSuffix(&rest, kUnits[unit])) {
      continue;
    }
    digits = rest;
    shift = 10 * unit;
  }
  int64_t count;
  if (digits.find_first_not_of("0123456789") != absl::string_view::npos ||
      !absl::SimpleAtoi(digits, &count) || count > std::numeric_limits<int64_t>::max() >> shift) {
    return std::nullopt;
  }
  return count << shift;
}

std::string FormatByteSize(int64_t bytes) {
  int unit = 0;
  while (unit < 4 && bytes != 0 && bytes % 1024 == 0) {
    bytes /= 1024;
    ++unit;
  }
  return absl::StrCat(bytes, kUnits[unit], unit == 0 ? "" : "B");
}

}  // namespace errand::config
