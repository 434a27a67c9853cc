#include "client/cli/input.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace errand::cli {
namespace {

constexpr size_t kMaxBytes = size_t{64} << 20;

absl::Status Unreadable(absl::string_view what, absl::string_view path, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("cannot read ", what, " (", path == "-" ? "standard input" : path, ": ", why, ")"));
}

}  // namespace

absl::StatusOr<std::string> ReadInput(absl::string_view what, const std::string& path) {
  int fd = STDIN_FILENO;
  if (path != "-") fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Unreadable(what, path, std::strerror(errno));
  const absl::Cleanup close_file = [fd] {
    if (fd != STDIN_FILENO) close(fd);
  };
  std::string bytes;
  char buffer[64 << 10];
  for (;;) {
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count == 0) return bytes;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Unreadable(what, path, std::strerror(errno));
    bytes.append(buffer, static_cast<size_t>(count));
    if (bytes.size() > kMaxBytes) return Unreadable(what, path, "it holds more than 64 MiB");
  }
}

absl::StatusOr<std::string> ReadValue(absl::string_view what, absl::string_view value) {
  if (!absl::StartsWith(value, "@")) return std::string(value);
  value.remove_prefix(1);
  if (absl::StartsWith(value, "@")) return std::string(value);
  return ReadInput(what, std::string(value));
}

}  // namespace errand::cli
