#include "server/service/page_token.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/task/errors.h"

namespace errand::service {
namespace {

constexpr int kDefaultPageSize = 100;
constexpr int kMaxPageSize = 1000;
constexpr size_t kFingerprintBytes = 8;

// FNV-1a (draft-eastlake-fnv): the same in every build and process. It tells mistakes, not attacks: a
// position gives away nothing that the request could not ask for.
class Fingerprint {
 public:
  void Add(absl::string_view part) {
    // The length keeps "ab","c" and "a","bc" apart.
    const uint64_t size = part.size();
    for (size_t i = 0; i < sizeof size; ++i) AddByte(static_cast<unsigned char>(size >> (8 * i)));
    for (char c : part) AddByte(static_cast<unsigned char>(c));
  }

  std::string bytes() const {
    std::string bytes;
    for (size_t i = 0; i < kFingerprintBytes; ++i) bytes += static_cast<char>(hash_ >> (8 * i));
    return bytes;
  }

 private:
  void AddByte(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100000001b3; }

  uint64_t hash_ = 0xcbf29ce484222325;
};

std::string FingerprintOf(const PageScope& scope, absl::string_view position) {
  Fingerprint fingerprint;
  for (absl::string_view part : scope) fingerprint.Add(part);
  fingerprint.Add(position);
  return fingerprint.bytes();
}

}  // namespace

std::string MakePageToken(const PageScope& scope, absl::string_view position) {
  return absl::WebSafeBase64Escape(absl::StrCat(FingerprintOf(scope, position), position));
}

absl::StatusOr<std::string> ReadPageToken(absl::string_view token, const PageScope& scope) {
  if (token.empty()) return std::string();
  std::string bytes;
  if (absl::WebSafeBase64Unescape(token, &bytes) && bytes.size() >= kFingerprintBytes) {
    std::string position = bytes.substr(kFingerprintBytes);
    bytes.resize(kFingerprintBytes);
    if (bytes == FingerprintOf(scope, position)) return position;
  }
  return task::InvalidField(
      "page_token", "must be the next_page_token of an answer to the same request, but for page_size");
}

absl::StatusOr<int> PageSize(int32_t requested) {
  if (requested < 0) {
    return task::InvalidField("page_size", absl::StrCat("must not be negative, as ", requested, " is"));
  }
  return requested == 0 ? kDefaultPageSize : std::min<int>(requested, kMaxPageSize);
}

}  // namespace errand::service
