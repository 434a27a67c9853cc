#ifndef ERRAND_SERVER_STORE_LOG_LITTLE_ENDIAN_H_
#define ERRAND_SERVER_STORE_LOG_LITTLE_ENDIAN_H_

#include <cstddef>

namespace errand::store::log {

// Unsigned integers as they stand in files, on any machine.
template <class T>
void PutLittleEndian(T value, char* at) {
  for (size_t i = 0; i < sizeof value; ++i) at[i] = static_cast<char>(value >> (8 * i));
}

template <class T>
T GetLittleEndian(const char* at) {
  T value = 0;
  for (size_t i = 0; i < sizeof value; ++i) {
    value = static_cast<T>(value | static_cast<T>(static_cast<unsigned char>(at[i])) << (8 * i));
  }
  return value;
}

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_LITTLE_ENDIAN_H_
