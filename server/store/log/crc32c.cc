#include "server/store/log/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

namespace errand::store::log {

uint32_t Crc32c(absl::string_view bytes, uint32_t crc) {
  constexpr size_t kMaxBytes = 1 << 30;  // Its length is an int.
  crc = ~crc;
  while (!bytes.empty()) {
    const size_t size = std::min(bytes.size(), kMaxBytes);
    // It does not write to the buffer.
    auto* const data = reinterpret_cast<unsigned char*>(const_cast<char*>(bytes.data()));
    crc = crc32_iscsi(data, static_cast<int>(size), crc);
    bytes.remove_prefix(size);
  }
  return ~crc;
}

}  // namespace errand::store::log
