#include "errand/kept_range.h"

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "errand/error.h"
#include "google/rpc/error_details.pb.h"

namespace errand {
namespace {

bool ParseNumber(const google::rpc::ErrorInfo& info, const std::string& key, int64_t& number) {
  const auto found = info.metadata().find(key);
  return found != info.metadata().end() && absl::SimpleAtoi(found->second, &number) && number >= 0;
}

}  // namespace

std::optional<KeptRange> FindKeptRange(const absl::Status& error, absl::string_view number) {
  if (!absl::IsOutOfRange(error)) return std::nullopt;
  const auto info = FindDetail<google::rpc::ErrorInfo>(error);
  KeptRange kept;
  if (!info || !ParseNumber(*info, absl::StrCat("oldest_", number), kept.oldest)) return std::nullopt;
  // Who asks for what is no longer kept may be told the oldest alone.
  if (!ParseNumber(*info, absl::StrCat("latest_", number), kept.latest)) kept.latest = kept.oldest;
  return kept;
}

}  // namespace errand
