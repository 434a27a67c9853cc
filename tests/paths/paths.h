#ifndef ERRAND_TESTS_PATHS_PATHS_H_
#define ERRAND_TESTS_PATHS_PATHS_H_

namespace errand {

// The programs of this build tree that tests start. A test that starts one has it as a dependency.
extern const char kErranddPath[];
extern const char kErrandPath[];
extern const char kErrandSandboxPath[];
extern const char kNativeProbePath[];
extern const char kWallClockShimPath[];
// The checkout, for data that stands beside the tests.
extern const char kSourcePath[];

}  // namespace errand

#endif  // ERRAND_TESTS_PATHS_PATHS_H_
