#ifndef ERRAND_TESTS_CRASH_TIMESTAMP_H_
#define ERRAND_TESTS_CRASH_TIMESTAMP_H_

#include <google/protobuf/util/time_util.h>

#include "absl/time/time.h"

namespace errand {

inline absl::Time TimeOf(const google::protobuf::Timestamp& time) {
  return absl::FromUnixNanos(google::protobuf::util::TimeUtil::TimestampToNanoseconds(time));
}

inline google::protobuf::Timestamp TimestampOf(absl::Time time) {
  return google::protobuf::util::TimeUtil::NanosecondsToTimestamp(absl::ToUnixNanos(time));
}

}  // namespace errand

#endif  // ERRAND_TESTS_CRASH_TIMESTAMP_H_
