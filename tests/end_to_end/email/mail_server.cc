#include "tests/end_to_end/email/mail_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tests/paths/paths.h"

namespace errand {
namespace {

std::string Packages() {
  const char* const told = std::getenv("ERRAND_MAIL_SERVERS");
  if (told != nullptr) return told;
  const char* const home = std::getenv("HOME");
  return absl::StrCat(home == nullptr ? "" : home, "/.cache/errand/mail-servers");
}

sockaddr_in Loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// One that nobody listens on.
int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

bool Greets(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  char byte = 0;
  bool greets = false;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    pollfd readable{fd, POLLIN, 0};
    greets = poll(&readable, 1, 10'000) == 1 && recv(fd, &byte, 1, 0) == 1 && byte == '2';
  }
  close(fd);
  return greets;
}

}  // namespace

std::string MailServer::Missing() {
  if (geteuid() != 0) return "only root can lay a mail server over /usr";
  if (!std::filesystem::exists(Packages() + "/usr/sbin/smtp-sink")) {
    return absl::StrCat("no mail servers in ", Packages(), ": ./dev setup test");
  }
  // Some containers may not mount.
  if (std::system("unshare --mount --pid --fork mount -t tmpfs none /mnt 2>/dev/null") != 0)
    return "nothing may be mounted here";
  return "";
}

MailServer::MailServer(const std::string& name) : port_(FreePort()) {
  const std::string script = absl::StrCat(kSourcePath, "/tests/end_to_end/email/serve.sh");
  const std::string port = absl::StrCat(port_);
  const std::string packages = Packages();
  pid_ = fork();
  if (pid_ == 0) {
    // Its processes go their own ways, but not out of a namespace that ends with its first one.
    execlp("unshare", "unshare", "--mount", "--pid", "--fork", "--kill-child", script.c_str(), name.c_str(),
           port.c_str(), folder_.path().c_str(), packages.c_str(), nullptr);
    _exit(127);
  }
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  while (!greets_ && absl::Now() < deadline) {
    if (waitpid(pid_, nullptr, WNOHANG) != 0) {
      pid_ = -1;  // It has ended.
      return;
    }
    greets_ = Greets(port_);
    if (!greets_) absl::SleepFor(absl::Milliseconds(20));
  }
}

MailServer::~MailServer() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

}  // namespace errand
