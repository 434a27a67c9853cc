#ifndef ERRAND_TESTS_END_TO_END_SERVER_PROCESS_H_
#define ERRAND_TESTS_END_TO_END_SERVER_PROCESS_H_

#include <grpcpp/channel.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "errand/v1/queues.grpc.pb.h"
#include "errand/v1/scripts.grpc.pb.h"
#include "errand/v1/tasks.grpc.pb.h"

namespace errand {

// The real errandd, on a port of its own, stopped at the end.
class ServerProcess {
 public:
  // Returns when the server listens. Its log goes to the descriptor `log`; -1: the warnings go to the
  // test's own. `under` is the command that the server is run by, such as `env NAME=VALUE`; it becomes the
  // server.
  explicit ServerProcess(std::vector<std::string> flags = {}, int log = -1,
                         std::vector<std::string> under = {});
  ~ServerProcess();

  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  const std::string& address() const { return address_; }
  // A channel that shares no connection with any other.
  std::shared_ptr<grpc::Channel> NewChannel() const;
  v1::Tasks::Stub& tasks() const { return *tasks_; }
  v1::Queues::Stub& queues() const { return *queues_; }
  v1::Scripts::Stub& scripts() const { return *scripts_; }

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  // Waits for the end: the exit code, or minus the signal.
  int Wait();
  // SIGTERM, then Wait. Ends the connection of `tasks`, `queues` and `scripts`.
  int Stop();

 private:
  pid_t pid_ = -1;
  std::string address_;
  std::unique_ptr<v1::Tasks::Stub> tasks_;
  std::unique_ptr<v1::Queues::Stub> queues_;
  std::unique_ptr<v1::Scripts::Stub> scripts_;
};

// A program of the build tree, run to its end with nothing on stdin.
struct Finished {
  int exit_code = -1;
  std::string output;
  std::string errors;
};
Finished RunProgram(const std::vector<std::string>& command);

}  // namespace errand

#endif  // ERRAND_TESTS_END_TO_END_SERVER_PROCESS_H_
