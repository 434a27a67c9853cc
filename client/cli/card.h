#ifndef ERRAND_CLIENT_CLI_CARD_H_
#define ERRAND_CLIENT_CLI_CARD_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <string>

#include "absl/strings/string_view.h"

// A thing for people: a line a fact, "state     running".
namespace errand::cli {

// Appends a fact. Further lines of `value` stand below its first; an empty one is left out. `value` is free
// of control characters, as Printable() makes it.
void AddFact(std::string& card, absl::string_view key, absl::string_view value);
void AddTime(std::string& card, absl::string_view key, const google::protobuf::Timestamp& time);

// "2030-01-31 08:00:00.000+00:00", in local time.
std::string DescribeTime(const google::protobuf::Timestamp& time);

// "1m30s".
std::string DescribeDuration(const google::protobuf::Duration& duration);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_CARD_H_
