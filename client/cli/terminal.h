#ifndef ERRAND_CLIENT_CLI_TERMINAL_H_
#define ERRAND_CLIENT_CLI_TERMINAL_H_

#include <string>

#include "absl/strings/string_view.h"
#include "errand/v1/task.pb.h"

namespace errand::cli {

// What a file descriptor of ours can show.
struct Terminal {
  bool is_terminal = false;
  bool can_move = false;  // Understands escape sequences: a terminal whose TERM is not "dumb".
  bool colour = false;    // can_move, and NO_COLOR (https://no-color.org) is unset or empty.

  static Terminal Of(int fd);

  // `text` in the colour of `state`, where there are colours.
  std::string Paint(absl::string_view text, v1::TaskState state) const;
};

// The width of the terminal `fd` in characters; 80 when it does not say.
int Columns(int fd);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_TERMINAL_H_
