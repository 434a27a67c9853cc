#ifndef ERRAND_SERVER_HANDLERS_LUA_ZYGOTE_H_
#define ERRAND_SERVER_HANDLERS_LUA_ZYGOTE_H_

#include <sys/types.h>

#include <deque>
#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/handlers/lua/sandbox_process.h"
#include "server/io/loop.h"
#include "server/io/timer.h"

namespace errand::handlers {

// The errand-sandbox program, which forks the processes that run scripts (server/sandbox/zygote.h). Started
// again when it dies, at the next Fork.
class Zygote final : public io::FdHandler {
 public:
  using OnForked = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<SandboxProcess>>)>;

  // Starts `path` and waits until it is ready. `loop` is borrowed, must be running and outlive the zygote.
  // FAILED_PRECONDITION when the program is missing or cannot be locked down. Not from the loop's thread;
  // nor may the zygote be destroyed there.
  static absl::StatusOr<std::unique_ptr<Zygote>> Start(std::string path, io::Loop* loop);

  // No Fork may be outstanding. What was forked lives on.
  ~Zygote() override;

  Zygote(const Zygote&) = delete;
  Zygote& operator=(const Zygote&) = delete;

  io::Loop* loop() const { return loop_; }

  // Forks a process for `owner`, which is borrowed, and calls `done`, perhaps before it returns. On the
  // loop's thread, as `done`.
  void Fork(SandboxProcess::Owner* owner, OnForked done);

  // Calls `done` of what is outstanding for `owner` with CANCELLED. On the loop's thread.
  void Forget(const SandboxProcess::Owner* owner);

  void OnReady(uint32_t events) override;

 private:
  struct Request {
    SandboxProcess::Owner* owner;
    OnForked done;
    int socket = -1;  // The server's end; -1 until it is sent.
  };

  Zygote(std::string path, io::Loop* loop) : path_(std::move(path)), loop_(loop) {}

  absl::Status Spawn();
  absl::Status Send(Request& request);
  void SendAll();
  void OnMessage(absl::string_view message);
  void OnForkedPid(pid_t pid);
  void FailFirst(const absl::Status& why);
  // It is gone, or has to go: ends it and fails all that is outstanding.
  void End(const std::string& why);
  std::string Reap();

  const std::string path_;
  io::Loop* const loop_;

  // Owned by the loop's thread.
  pid_t pid_ = -1;
  int fd_ = -1;
  bool ready_ = false;
  int generation_ = 0;  // Counts the times it was started.
  std::unique_ptr<io::Timer> start_timeout_;
  std::deque<Request> requests_;
};

}  // namespace errand::handlers

#endif  // ERRAND_SERVER_HANDLERS_LUA_ZYGOTE_H_
