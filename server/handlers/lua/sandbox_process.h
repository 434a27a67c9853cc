#ifndef ERRAND_SERVER_HANDLERS_LUA_SANDBOX_PROCESS_H_
#define ERRAND_SERVER_HANDLERS_LUA_SANDBOX_PROCESS_H_

#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/io/loop.h"
#include "server/sandbox/wire.h"

namespace errand::handlers {

// "was killed by SIGSEGV", "exited with status 1": of a status that waitpid gives.
std::string DescribeEnd(int status);

// One process that runs scripts, forked by errand-sandbox, and the socket to it.
//
// Owned by shared_ptr and destroyed on the loop's thread, which kills and reaps it if need be. Nothing else
// may wait for all children of the server.
class SandboxProcess final : public io::FdHandler, public std::enable_shared_from_this<SandboxProcess> {
 public:
  // How a process ended.
  struct Death {
    std::string reason;  // "was killed by SIGSEGV", "exited with status 1"
    // The limit of what it ran for which it ended itself, kCpuExceeded or kMemoryExceeded; otherwise kOk.
    sandbox::Ending ending = sandbox::Ending::kOk;
    absl::Duration cpu_time;
    int64_t peak_memory_bytes = 0;  // Resident, of the whole process.
  };

  // Called on the loop's thread.
  class Owner {
   public:
    virtual ~Owner() = default;

    // A frame came. What it views is valid during the call.
    virtual void OnFrame(const sandbox::Frame& frame) = 0;

    // All frames that came together were passed on.
    virtual void OnFrames() {}

    // The process is dead and reaped; the last call. The owner may let go of it.
    virtual void OnDeath(const Death& death) = 0;
  };

  // Takes over a child of this process and the socket to it. `generation` names who forked it: what one
  // process parks another can resume if they have that in common. `loop` and `owner` are borrowed. On the
  // loop's thread.
  static absl::StatusOr<std::shared_ptr<SandboxProcess>> Adopt(pid_t pid, int fd, int generation,
                                                               io::Loop* loop, Owner* owner);
  ~SandboxProcess() override;

  SandboxProcess(const SandboxProcess&) = delete;
  SandboxProcess& operator=(const SandboxProcess&) = delete;

  // Writes a batch (wire.h), at once if the socket takes it. False when the process is dead; so is one that
  // does not read what it asked for. Any thread.
  bool Send(const std::string& batch);

  // Queues SIGRTMIN + `signal`, sandbox::kStopSignal or kGiveWaySignal, for `attempt`. Only once the process
  // has said Ready. Any thread.
  void Signal(int signal, uint64_t attempt);

  // Stops the process where it is, and lets it go on. Any thread.
  void Freeze() { SendSignal(SIGSTOP); }
  void Thaw() { SendSignal(SIGCONT); }

  // Ends the process; OnDeath follows. Any thread.
  void Kill() { SendSignal(SIGKILL); }

  // Ends the process at once; the owner hears no more of it. On the loop's thread.
  Death End() { return Reap(); }

  // What the process has used so far. Any thread.
  absl::Duration CpuTime();

  // What the process takes of the machine's memory and shares with no file (proc(5), statm); none where that
  // cannot be read. Any thread.
  std::optional<size_t> PrivateBytes() const;

  pid_t pid() const { return pid_; }
  int generation() const { return generation_; }

  void OnReady(uint32_t events) override;

 private:
  SandboxProcess(pid_t pid, int fd, int generation, io::Loop* loop, Owner* owner);

  void SendSignal(int signal);
  void SendRest();
  void Receive();
  Death Reap();

  const pid_t pid_;
  const int fd_;
  const int generation_;
  io::Loop* const loop_;
  Owner* const owner_;

  absl::Mutex mu_;
  bool reaped_ ABSL_GUARDED_BY(mu_) = false;
  std::string unsent_ ABSL_GUARDED_BY(mu_);

  // Owned by the loop's thread.
  sandbox::FrameReader reader_{sandbox::kMaxFrameFromSandbox};
  bool broken_ = false;  // It sent something that is not allowed.
  bool ended_ = false;   // As `reaped_`.
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_SANDBOX_PROCESS_H_
