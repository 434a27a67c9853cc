#include "server/handlers/lua/sandbox_process.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "server/io/loop.h"

namespace errand::handlers {
namespace {

class Owner final : public SandboxProcess::Owner {
 public:
  void OnFrame(const sandbox::Frame&) override {}
  void OnDeath(const SandboxProcess::Death& death) override {
    reason = death.reason;
    dead.Notify();
  }

  std::string reason;
  absl::Notification dead;
};

// A worker that was taken over by a script may ask and ask, and never read an answer.
TEST(SandboxProcess, OneThatDoesNotReadIsKilledBeforeItsAnswersFillMemory) {
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    for (;;) pause();
  }
  ASSERT_GT(pid, 0);
  close(sockets[1]);

  io::Loop loop;
  Owner owner;
  std::shared_ptr<SandboxProcess> process;
  absl::Notification adopted;
  loop.Post([&] {
    process = SandboxProcess::Adopt(pid, sockets[0], 1, &loop, &owner).value();
    adopted.Notify();
  });
  adopted.WaitForNotification();

  const std::string batch(1 << 20, 'x');
  size_t megabytes = 0;
  while (process->Send(batch)) ASSERT_LT(++megabytes, 100u);
  owner.dead.WaitForNotification();
  EXPECT_EQ(owner.reason, "was killed by SIGKILL");
  EXPECT_FALSE(process->Send(batch));

  absl::Notification gone;
  loop.Post([&] {
    process = nullptr;
    gone.Notify();
  });
  gone.WaitForNotification();
}

}  // namespace
}  // namespace errand::handlers
