#ifndef ERRAND_SERVER_STORE_LOG_CRC32C_H_
#define ERRAND_SERVER_STORE_LOG_CRC32C_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace errand::store::log {

// CRC-32C (Castagnoli, RFC 3720 appendix B.4) of `bytes`, or of what `crc` is of and `bytes` behind it.
uint32_t Crc32c(absl::string_view bytes, uint32_t crc = 0);

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_CRC32C_H_
