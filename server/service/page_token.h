#ifndef ERRAND_SERVER_SERVICE_PAGE_TOKEN_H_
#define ERRAND_SERVER_SERVICE_PAGE_TOKEN_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/store/task_store.h"

// Pages (AIP-158).
namespace errand::service {

// What a token is good for: the method, and those fields of its request that must not change between pages.
using PageScope = std::vector<absl::string_view>;

// An opaque, URL-safe text that says where the next page starts.
std::string MakePageToken(const PageScope& scope, absl::string_view position);

// The position; empty where the token is. INVALID_ARGUMENT naming `page_token` for a token that was not made
// for this scope.
absl::StatusOr<std::string> ReadPageToken(absl::string_view token, const PageScope& scope);

// How many entries a page may have: the default for 0, and no more than the most (AIP-158). INVALID_ARGUMENT
// naming `page_size` when it is negative.
absl::StatusOr<int> PageSize(int32_t requested);

// Both of a request that lists by name.
template <class Request>
absl::StatusOr<store::NamePage> ReadNamePage(const Request& request, const PageScope& scope) {
  const absl::StatusOr<int> size = PageSize(request.page_size());
  if (!size.ok()) return size.status();
  absl::StatusOr<std::string> after = ReadPageToken(request.page_token(), scope);
  if (!after.ok()) return after.status();
  return store::NamePage{*std::move(after), *size};
}

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_PAGE_TOKEN_H_
