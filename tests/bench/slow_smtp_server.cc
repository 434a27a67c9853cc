#include "tests/bench/slow_smtp_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/bench/failure.h"

namespace errand::bench {
namespace {

// How late a reply or the end may be.
constexpr int kTickMilliseconds = 20;

}  // namespace

SlowSmtpServer::SlowSmtpServer(std::chrono::milliseconds delay) : delay_(delay) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* any = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || bind(listener_, any, size) != 0 || listen(listener_, SOMAXCONN) != 0 ||
      getsockname(listener_, any, &size) != 0) {
    Fail("cannot listen for SMTP");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

SlowSmtpServer::~SlowSmtpServer() {
  stopping_.store(true);
  thread_.join();
  for (const auto& [fd, session] : sessions_) close(fd);
  close(listener_);
}

std::string SlowSmtpServer::address() const { return absl::StrCat("127.0.0.1:", port_); }

void SlowSmtpServer::Run() {
  std::vector<pollfd> polled;
  while (!stopping_.load()) {
    polled.assign(1, {listener_, POLLIN, 0});
    for (const auto& [fd, session] : sessions_) polled.push_back({fd, POLLIN, 0});
    poll(polled.data(), polled.size(), kTickMilliseconds);
    if (polled[0].revents != 0) Accept();
    for (size_t i = 1; i < polled.size(); ++i) {
      if (polled[i].revents == 0 || Read(polled[i].fd, sessions_[polled[i].fd])) continue;
      sessions_.erase(polled[i].fd);
      close(polled[i].fd);
    }
    const auto now = Clock::now();
    for (auto& [fd, session] : sessions_) {
      if (session.replies.empty() || session.due > now) continue;
      // A few bytes always fit; a client that has gone is noticed by Read.
      send(fd, session.replies.data(), session.replies.size(), MSG_NOSIGNAL);
      session.replies.clear();
    }
  }
}

void SlowSmtpServer::Accept() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  accepted_.fetch_add(1);
  Reply(sessions_[fd], "220 slow.example");
}

bool SlowSmtpServer::Read(int fd, Session& session) {
  char bytes[16384];
  const ssize_t count = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
  if (count <= 0) return false;
  session.input.append(bytes, static_cast<size_t>(count));
  for (size_t end; (end = session.input.find("\r\n")) != std::string::npos;) {
    TakeLine(session.input.substr(0, end), session);
    session.input.erase(0, end + 2);
  }
  return true;
}

void SlowSmtpServer::TakeLine(const std::string& line, Session& session) {
  if (session.in_data) {
    if (line != ".") return;
    session.in_data = false;
    Reply(session, "250 taken");
  } else if (absl::StartsWithIgnoreCase(line, "DATA")) {
    session.in_data = true;
    Reply(session, "354 go on");
  } else if (absl::StartsWithIgnoreCase(line, "QUIT")) {
    Reply(session, "221 bye");
  } else {
    Reply(session, "250 fine");
  }
}

void SlowSmtpServer::Reply(Session& session, const char* text) {
  absl::StrAppend(&session.replies, text, "\r\n");
  session.due = Clock::now() + delay_;
}

}  // namespace errand::bench
