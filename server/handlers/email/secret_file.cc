#include "server/handlers/email/secret_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "server/handlers/email/socket.h"

namespace errand::handlers {

absl::StatusOr<std::string> ReadSecretFile(const std::string& path) {
  constexpr size_t kMostBytes = 64 << 10;
  const auto wrong = [&path](absl::string_view problem) {
    return absl::FailedPreconditionError(
        absl::StrCat("the secret in '", path, "' cannot be used: ", problem));
  };
  // Without waiting, should somebody name a pipe.
  const Socket file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return wrong(std::generic_category().message(errno));
  struct stat about;
  if (fstat(file.fd(), &about) != 0 || !S_ISREG(about.st_mode)) return wrong("it is not a file");
  std::string secret(kMostBytes + 1, '\0');
  size_t size = 0;
  while (size < secret.size()) {
    const ssize_t got = read(file.fd(), secret.data() + size, secret.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return wrong(std::generic_category().message(errno));
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  if (size > kMostBytes) return wrong("it has more than 64 KiB");
  secret.resize(size);
  while (!secret.empty() && (secret.back() == '\n' || secret.back() == '\r')) secret.pop_back();
  if (secret.empty()) return wrong("it is empty");
  if (secret.find_first_of(std::string("\0\r\n", 3)) != std::string::npos) {
    return wrong("it must be one line without NUL");
  }
  return secret;
}

}  // namespace errand::handlers
