#ifndef ERRAND_SERVER_SANDBOX_WORKER_H_
#define ERRAND_SERVER_SANDBOX_WORKER_H_

#include <signal.h>

#include <memory>
#include <unordered_map>

#include "server/sandbox/channel.h"
#include "server/sandbox/interpreter.h"

namespace errand::sandbox {

// What a worker process does: it takes what the server sends in batches, in order, and listens to signals
// meanwhile.
//
//   SIGRTMIN + kStopSignal     ends the run of the attempt that comes with it
//   SIGRTMIN + kGiveWaySignal  lets it be parked
//   SIGPROF                    every few milliseconds of CPU time: what was gathered is written, a run
//                              over its limit is ended, and the rest of the batch goes back if this one is
//                              long
//   SIGSEGV and the like       write what was gathered, so that the server knows who it was
//
// There is one Worker in a process.
class Worker {
 public:
  // Both are borrowed.
  Worker(Channel* channel, Interpreter* interpreter);
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Before the process is locked down.
  void ListenToSignals();

  // Serves until the server goes away. `fd` is the socket.
  [[noreturn]] void Serve(int fd);

 private:
  static constexpr int kRemembered = 8;

  static void OnStop(int, siginfo_t* info, void*);
  static void OnGiveWay(int, siginfo_t* info, void*);
  static void OnTick(int);
  static void OnCrash(int signal);
  // What a tick does outside of HostSections.
  static void Report();

  void Handle(const Run& run);
  void Handle(const Resume& resume);
  void Handle(const Check& check);
  void Handle(const Script& script);
  void Handle(const Forget& forget);
  [[noreturn]] void Handle(...);

  // False, and Returned is sent, when the attempt is to be stopped before it runs.
  bool MayBegin(uint64_t attempt);
  // Null for 0.
  const CompiledScript* Find(ScriptNumber number);

  Channel* const channel_;
  Interpreter* const interpreter_;
  std::unordered_map<ScriptNumber, std::unique_ptr<CompiledScript>> scripts_;

  // Attempts that were to be stopped and did not run: perhaps they are in the batch. Written by the handler.
  volatile uint64_t stopped_[kRemembered] = {};
  volatile unsigned stops_ = 0;

  // The batch that the last tick came in, and how many ticks have.
  unsigned ticked_batch_ = 0;
  int ticks_ = 0;
};

}  // namespace errand::sandbox

#endif  // ERRAND_SERVER_SANDBOX_WORKER_H_
