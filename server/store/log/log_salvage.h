#ifndef ERRAND_SERVER_STORE_LOG_LOG_SALVAGE_H_
#define ERRAND_SERVER_STORE_LOG_LOG_SALVAGE_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/log/file_system.h"
#include "server/store/log/record_format.h"

namespace errand::store::log {

// Something of a log that is not as it was written.
struct Damage {
  std::string file;
  uint64_t offset = 0;
  std::string what;
  bool index_only = false;  // Of an index, of which nothing is needed.
};

// Is told what there is of a log. An answer that is not OK ends the reading. Views are valid during the call.
class SalvageVisitor {
 public:
  virtual ~SalvageVisitor() = default;

  // A record that is whole.
  virtual absl::Status OnRecord(Place place, const Record& record, uint64_t bytes) = 0;
  // One that is not, but its index has all but its attachment. After its damage.
  virtual absl::Status OnIndexed(Place place, const Record& record, uint64_t bytes) = 0;
  virtual absl::Status OnDamage(const Damage& damage) = 0;
};

struct Salvaged {
  uint64_t segments = 0;
  uint64_t records = 0;  // That are whole.
  uint64_t bytes = 0;    // Where the segments' records end, added up.
  uint64_t first = 0;    // The number of the first segment; 0 if there is none.
  uint64_t last = 0;     // The highest that was used.
  Place end;             // Where the last segment's records end.
  bool torn = false;     // Behind the log's end are remains of a write that was interrupted.
  // Why it is not known from END how far the log has to reach; empty if it is.
  std::string end_unknown;
};

// Reads every byte of every segment and index, and all records that are whole, in order, whatever is between
// them. Changes nothing. FAILED_PRECONDITION: the folder is of another format version.
absl::StatusOr<Salvaged> SalvageLog(const FileSystem& folder, SalvageVisitor& visitor);

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_LOG_SALVAGE_H_
