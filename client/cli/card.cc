#include "client/cli/card.h"

#include <google/protobuf/util/time_util.h>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"

namespace errand::cli {

using google::protobuf::util::TimeUtil;

void AddFact(std::string& card, absl::string_view key, absl::string_view value) {
  absl::ConsumeSuffix(&value, "\n");
  if (value.empty()) return;
  for (absl::string_view line : absl::StrSplit(value, '\n')) {
    absl::StrAppendFormat(&card, "%-10s%s\n", key, line);
    key = "";
  }
}

void AddTime(std::string& card, absl::string_view key, const google::protobuf::Timestamp& time) {
  AddFact(card, key, DescribeTime(time));
}

std::string DescribeTime(const google::protobuf::Timestamp& time) {
  const absl::Time value = absl::FromUnixNanos(TimeUtil::TimestampToNanoseconds(time));
  return absl::FormatTime("%Y-%m-%d %H:%M:%E3S%Ez", value, absl::LocalTimeZone());
}

std::string DescribeDuration(const google::protobuf::Duration& duration) {
  return absl::FormatDuration(absl::Nanoseconds(TimeUtil::DurationToNanoseconds(duration)));
}

}  // namespace errand::cli
