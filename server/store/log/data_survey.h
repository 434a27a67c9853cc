#ifndef ERRAND_SERVER_STORE_LOG_DATA_SURVEY_H_
#define ERRAND_SERVER_STORE_LOG_DATA_SURVEY_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "errand/v1/task.pb.h"
#include "server/store/log/file_system.h"
#include "server/store/log/log_salvage.h"

namespace errand::store::log {

// What a data folder holds, and what of it is damaged or lost.
struct DataSurvey {
  Salvaged log;
  std::map<v1::TaskState, int64_t> tasks;  // Of those that a server would have.
  // Where something is damaged, does not fit to the rest or is missing, and what is lost by it: a line each.
  std::vector<std::string> findings;
  // What is damaged is indexes only.
  bool segments_are_whole = true;
  std::vector<std::string> damaged_indexes;  // Their names.
  // Tasks, by order, that have to be left out, because what they run is lost.
  absl::flat_hash_set<uint64_t> scriptless;
  // To follow the changes that are kept: that all of this log may be missing.
  std::string log_dropped;

  bool fine() const { return findings.empty(); }
  // What there is and what was found, to be printed.
  std::vector<std::string> Lines() const;
};

// Gets the changes that fit together, in order.
using KeepChange = absl::FunctionRef<absl::Status(absl::string_view change, absl::string_view attachment)>;

// Reads all of it. Changes nothing. `left_out` are tasks that are not wanted. FAILED_PRECONDITION: the folder
// is of another version of errandd, or a repair of it was interrupted.
absl::StatusOr<DataSurvey> SurveyData(const FileSystem& folder, const absl::flat_hash_set<uint64_t>& left_out,
                                      KeepChange keep);

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_DATA_SURVEY_H_
