#ifndef ERRAND_SERVER_STORE_LOG_DATA_REPAIR_H_
#define ERRAND_SERVER_STORE_LOG_DATA_REPAIR_H_

#include <cstdint>

#include "absl/status/status.h"
#include "server/store/log/data_check.h"
#include "server/store/log/file_system.h"
#include "server/store/log/segment_files.h"

namespace errand::store::log {

// Says what CheckData says, then makes a folder of which a server can start with all that can be read. What
// was there before is not removed, but moved aside, as `NAME.damaged`. A folder that is fine is left as it
// is.
//
// Interrupted at any moment it can be done again. Needs space for all that is kept. An error: the folder is
// as it was, or it says what to do.
absl::Status RepairData(FileSystem& folder, SayLine say,
                        uint64_t segment_bytes = SegmentOptions().segment_bytes);

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_DATA_REPAIR_H_
