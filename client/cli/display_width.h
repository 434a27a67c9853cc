#ifndef ERRAND_CLIENT_CLI_DISPLAY_WIDTH_H_
#define ERRAND_CLIENT_CLI_DISPLAY_WIDTH_H_

#include <string>

#include "absl/strings/string_view.h"

// How much room text takes on a terminal: East Asian characters take two columns, combining ones none. Once
// UseDisplayWidths was called.
namespace errand::cli {

// Has wcwidth(3) know all characters, whatever the user's locale. Before there is a second thread.
void UseDisplayWidths();

int DisplayWidth(absl::string_view text);

// As many of the first characters as fit into `columns`.
std::string CutToWidth(absl::string_view text, int columns);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_DISPLAY_WIDTH_H_
