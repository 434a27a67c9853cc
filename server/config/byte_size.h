#ifndef ERRAND_SERVER_CONFIG_BYTE_SIZE_H_
#define ERRAND_SERVER_CONFIG_BYTE_SIZE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace errand::config {

// Reads a number of bytes as people and Kubernetes write it: a whole number, with nothing or one of KiB, MiB,
// GiB and TiB (the B may be left out) right behind it. Nothing when it is none, or does not fit.
std::optional<int64_t> ParseByteSize(absl::string_view text);

// The same text for it, in the largest unit that loses nothing.
std::string FormatByteSize(int64_t bytes);

}  // namespace errand::config

#endif  // ERRAND_SERVER_CONFIG_BYTE_SIZE_H_
