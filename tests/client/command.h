#ifndef ERRAND_TESTS_CLIENT_COMMAND_H_
#define ERRAND_TESTS_CLIENT_COMMAND_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace errand {

// How `errand` is started.
struct CommandOptions {
  std::vector<std::string> environment;  // "NAME=value"; TERM=xterm and TZ=UTC unless given.
  std::string input;                     // What it reads from standard input.
  bool input_open = false;               // It may be given more with Write().
  bool terminal = false;                 // Standard error is a terminal of 60 columns.
  bool output_terminal = false;          // So is standard output; its line feeds become "\r\n".
  bool output_closed = false;            // Nobody reads standard output.
};

// The real `errand` command as a process. Every wait ends after a minute, with a failure of the test.
class Command {
 public:
  using Options = CommandOptions;

  explicit Command(std::vector<std::string> arguments, Options options = {});
  ~Command();  // Kills it if it still runs.

  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  // Waits until standard error or standard output holds `text`.
  void WaitForText(absl::string_view text);

  void Signal(int signal);

  // Gives it more to read; closes its input at the end.
  void Write(absl::string_view text);
  void CloseInput();

  // Waits for its end. The exit code, or 128 + the number of the signal that ended it.
  int Wait();

  const std::string& out() const { return out_; }
  const std::string& err() const { return err_; }

 private:
  // Takes what there is; false at the end of both outputs, or of the minute.
  bool Read();

  pid_t process_ = -1;
  int in_fd_ = -1;
  int out_fd_ = -1;
  int err_fd_ = -1;
  std::string out_;
  std::string err_;
};

}  // namespace errand

#endif  // ERRAND_TESTS_CLIENT_COMMAND_H_
