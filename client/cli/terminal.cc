#include "client/cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace errand::cli {

Terminal Terminal::Of(int fd) {
  Terminal terminal;
  terminal.is_terminal = isatty(fd) == 1;
  const char* type = std::getenv("TERM");
  terminal.can_move = terminal.is_terminal && type != nullptr && absl::string_view(type) != "dumb";
  const char* no_color = std::getenv("NO_COLOR");
  terminal.colour = terminal.can_move && (no_color == nullptr || *no_color == '\0');
  return terminal;
}

std::string Terminal::Paint(absl::string_view text, v1::TaskState state) const {
  const char* code = nullptr;
  switch (state) {
    case v1::TASK_STATE_SUCCEEDED:
      code = "32";  // Green.
      break;
    case v1::TASK_STATE_FAILED:
    case v1::TASK_STATE_EXPIRED:
      code = "31";  // Red.
      break;
    case v1::TASK_STATE_CANCELLED:
      code = "33";  // Yellow.
      break;
    case v1::TASK_STATE_RUNNING:
      code = "36";  // Cyan.
      break;
    default:
      break;
  }
  if (!colour || code == nullptr) return std::string(text);
  return absl::StrCat("\x1b[", code, "m", text, "\x1b[0m");
}

int Columns(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

}  // namespace errand::cli
