#ifndef ERRAND_CLIENT_CLI_INTERRUPT_H_
#define ERRAND_CLIENT_CLI_INTERRUPT_H_

#include <csignal>
#include <thread>

#include "errand/cancellation.h"

namespace errand::cli {

// Turns SIGINT and SIGTERM into Cancellation::Cancel. A second one ends the process at once.
//
// Blocks the signals in the thread that makes it, and so in all that this starts later: make it before the
// first gRPC object, after what may block outside gRPC (reading standard input).
class Interrupt {
 public:
  explicit Interrupt(Cancellation& cancellation);
  ~Interrupt();

  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  // Readable from the first signal on, for poll(). Owned by this object.
  int fd() const { return interrupted_fd_; }

 private:
  void Run();

  Cancellation& cancellation_;
  sigset_t signals_;
  const int stop_fd_;
  const int interrupted_fd_;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_INTERRUPT_H_
