#ifndef ERRAND_CLIENT_CLI_SESSION_H_
#define ERRAND_CLIENT_CLI_SESSION_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "client/cli/arguments.h"
#include "client/cli/interrupt.h"
#include "errand/client.h"
#include "errand/queues.h"
#include "errand/scripts.h"

namespace errand::cli {

// One run of the command: its arguments, its connection, and how it ends. Used by the main thread.
class Session {
 public:
  // `arguments` is borrowed.
  explicit Session(const Arguments& arguments);

  const Arguments& arguments() const { return arguments_; }
  const Client& client() const { return client_; }
  const Queues& queues() const { return queues_; }
  const Scripts& scripts() const { return scripts_; }

  // For what is none of them: a SubmitStream.
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  const RetryOptions& retry() const { return retry_; }

  // For what waits outside of calls: --timeout, and what is readable after SIGINT or SIGTERM.
  absl::Time deadline() const { return deadline_; }
  int interrupt_fd() const { return interrupt_.fd(); }

  // For the calls of this run, which share --timeout.
  CallOptions options();

  // Says on standard error why a call for `task` ("" when it has no name yet) failed, and how to go on after
  // `last_sequence` where the task goes on without us. Returns the exit code.
  int Fail(const absl::Status& status, const std::string& task = "", int64_t last_sequence = 0) const;

 private:
  std::string Describe(const absl::Status& status, const std::string& task) const;

  const Arguments& arguments_;
  const absl::Time deadline_;
  Cancellation cancellation_;
  Interrupt interrupt_;  // Before the channel: its threads inherit the blocked signals.
  const RetryOptions retry_;
  const std::shared_ptr<grpc::Channel> channel_;
  const Client client_;
  const Queues queues_;
  const Scripts scripts_;
};

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_SESSION_H_
