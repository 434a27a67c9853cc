#ifndef ERRAND_SERVER_SANDBOX_CAPACITY_H_
#define ERRAND_SERVER_SANDBOX_CAPACITY_H_

#include <cstddef>

namespace errand::sandbox {

// What a script with a limit of so many bytes may make its process take beyond what that takes anyway: half
// as much again, because free blocks lie between those in use.
constexpr size_t CapacityFor(size_t limit) { return limit + limit / 2 + (1 << 20); }

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_CAPACITY_H_
