#include "server/store/log/data_check.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/store/log/data_survey.h"

namespace errand::store::log {

absl::Status CheckData(const FileSystem& folder, SayLine say) {
  const absl::StatusOr<DataSurvey> survey =
      SurveyData(folder, {}, [](absl::string_view, absl::string_view) { return absl::OkStatus(); });
  if (!survey.ok()) return survey.status();
  for (const std::string& line : survey->Lines()) say(line);
  if (survey->fine()) {
    say("nothing is damaged");
    return absl::OkStatus();
  }
  return absl::DataLossError(
      "the data folder is damaged; errandd with --repair_data keeps what can be read, and moves the damaged "
      "files aside; a backup may have more");
}

}  // namespace errand::store::log
