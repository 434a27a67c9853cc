#ifndef ERRAND_SERVER_SANDBOX_ZYGOTE_H_
#define ERRAND_SERVER_SANDBOX_ZYGOTE_H_

#include <sys/types.h>

#include "server/sandbox/worker.h"

namespace errand::sandbox {

// What errand-sandbox itself does: it forks workers when the server asks, and never runs a script. It has the
// image ready that they start from, and because they are copies of one process, what one of them parks the
// others can resume.
//
// It talks to the server over a socket of messages (SOCK_SEQPACKET):
//
//   ready VERSION      from the zygote, once
//   refused PROBLEM    or this, and it ends: it cannot be locked down here
//   fork               from the server, with the descriptor of a worker's socket (SCM_RIGHTS)
//   pid PID            from the zygote: the worker is there, as a child of the server's process
//   failed PROBLEM     or this
class Zygote {
 public:
  // `socket` is the descriptor; `server` the process that started this one. `worker` is borrowed.
  Zygote(int socket, pid_t server, Worker* worker) : socket_(socket), server_(server), worker_(worker) {}

  // Until the server goes away; in a worker, never. Returns the exit code.
  int Serve();

 private:
  // The worker's socket; -1 when the server has gone.
  int Receive();
  void Say(const char* word, const char* rest);
  [[noreturn]] void BecomeWorker(int socket);

  const int socket_;
  const pid_t server_;
  Worker* const worker_;
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_ZYGOTE_H_
