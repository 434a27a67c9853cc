#include "tests/handlers/email/fake_smtp_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace errand::handlers {

// One connection.
class FakeSmtpServer::Session {
 public:
  Session(FakeSmtpServer* server, int fd) : server_(server), fd_(fd), ssl_(nullptr, &SSL_free) {}

  void Run() {
    if (server_->options_.implicit_tls && !Handshake()) return;
    if (server_->IsFull()) {
      server_->Reached("FULL");
      Write("421 4.3.2 too many connections\r\n");
      return;
    }
    if (!Answer("CONNECT", "220 fake ESMTP\r\n")) return;
    std::string line;
    while (ReadLine(line)) {
      const std::string verb = absl::AsciiStrToUpper(line.substr(0, line.find_first_of(" :\r")));
      {
        absl::MutexLock lock(&server_->mu_);
        server_->commands_.push_back(std::string(absl::StripSuffix(line, "\r\n")));
      }
      if (!Obey(verb, line)) return;
    }
  }

 private:
  bool Obey(const std::string& verb, const std::string& line) {
    if (verb == "EHLO") {
      std::string offers = "250-fake\r\n";
      for (const std::string& offer : server_->options_.offers)
        absl::StrAppend(&offers, "250-", offer, "\r\n");
      if (!server_->options_.login.empty()) offers.append("250-AUTH PLAIN\r\n");
      if (server_->tls_ != nullptr && ssl_ == nullptr) offers.append("250-STARTTLS\r\n");
      return Answer(verb, offers + "250 HELP\r\n");
    }
    if (verb == "STARTTLS") {
      if (!Answer(verb, "220 2.0.0 go\r\n")) return false;
      const std::string script = server_->ScriptFor(verb);
      return (!script.empty() && script[0] != '2') || Handshake();
    }
    if (verb == "AUTH") {
      logged_in_ = line == absl::StrCat("AUTH PLAIN ", server_->options_.login, "\r\n");
      return Answer(verb, logged_in_ ? "235 2.7.0 ok\r\n" : "535 5.7.8 wrong\r\n");
    }
    if (verb == "MAIL" && !server_->options_.login.empty() && !logged_in_) {
      return Answer(verb, "530 5.7.0 log in first\r\n");
    }
    if (verb == "MAIL") {
      mail_ = Mail();
      mail_.sender = Address(line);
      const std::string script = server_->ScriptFor(verb);
      has_sender_ = !IsBytes(script) || script[0] == '2';
      return Say(verb, script, "250 2.1.0 ok\r\n");
    }
    if (verb == "RCPT" && !has_sender_) return Write("503 5.5.1 no sender\r\n");
    if (verb == "RCPT") {
      const std::string address = Address(line);
      absl::string_view local = address;
      if (absl::ConsumePrefix(&local, "code")) {
        server_->Reached(verb);
        return Write(absl::StrCat(local.substr(0, 3), " ", local.substr(0, 1), ".1.1 told so\r\n"));
      }
      if (mail_.recipients.size() >= server_->options_.max_recipients) {
        return Write(server_->options_.too_many);
      }
      const std::string script = server_->ScriptFor(verb);
      if (!IsBytes(script) || script[0] == '2') mail_.recipients.push_back(address);
      return Say(verb, script, "250 2.1.5 ok\r\n");
    }
    if (verb == "RSET") return Answer(verb, "250 2.0.0 ok\r\n");
    if (verb == "DATA") {
      if (mail_.recipients.empty()) return Answer(verb, "554 5.5.1 no valid recipients\r\n");
      const std::string script = server_->ScriptFor(verb);
      return Say(verb, script, "354 go\r\n") && (IsBytes(script) || ReadMessage());
    }
    if (verb == "QUIT") {
      Answer(verb, "221 2.0.0 bye\r\n");
      return false;
    }
    return Answer(verb, verb == "HELO" ? "250 fake\r\n" : "500 what?\r\n");
  }

  bool ReadMessage() {
    if (!Answer("MESSAGE", "")) return false;
    std::string line;
    while (ReadLine(line)) {
      if (line == ".\r\n") {
        mail_.encrypted = ssl_ != nullptr;
        mail_.resumed = mail_.encrypted && SSL_session_reused(ssl_.get()) == 1;
        const std::string reply = server_->ScriptFor("DOT");
        {
          absl::MutexLock lock(&server_->mu_);
          server_->messages_.push_back(mail_.data);
          if (reply.empty() || reply == kHold || reply[0] == '2') server_->mails_.push_back(mail_);
        }
        mail_ = Mail();
        return Say("DOT", reply, "250 2.0.0 queued\r\n") && ++mails_ < server_->options_.mails_a_connection;
      }
      if (line[0] == '.') line.erase(0, 1);
      mail_.data += line;
    }
    return false;
  }

  static bool IsBytes(const std::string& script) { return !script.empty() && script[0] != '<'; }

  // Says what the script has for `point`, or `good`. False when the session is over.
  bool Answer(const std::string& point, absl::string_view good) {
    return Say(point, server_->ScriptFor(point), good);
  }

  bool Say(const std::string& point, const std::string& script, absl::string_view good) {
    server_->Reached(point);
    if (script.empty()) return Write(good);
    if (script == kDrop) return false;
    if (script == kDeaf) {
      server_->WaitForRelease();
      return false;
    }
    if (script == kHold) {
      server_->WaitForRelease();
      return Write(good);
    }
    if (script != kSilence) return Write(script);
    std::string line;
    while (ReadLine(line)) line.clear();
    return false;
  }

  bool Handshake() {
    const std::string script = server_->ScriptFor("HANDSHAKE");
    server_->Reached("HANDSHAKE");
    if (script == kDrop) return false;
    if (!script.empty() && script != kSilence) return Write(script) && Drain();
    if (script == kSilence) return Drain();
    ssl_.reset(SSL_new(server_->tls_.get()));
    SSL_set_fd(ssl_.get(), fd_);
    in_.clear();
    return SSL_accept(ssl_.get()) == 1;
  }

  // Reads until the client closes.
  bool Drain() {
    char buffer[4096];
    while (Read(buffer, sizeof buffer) > 0) {
    }
    return false;
  }

  ssize_t Read(char* buffer, size_t size) {
    return ssl_ == nullptr ? recv(fd_, buffer, size, 0)
                           : SSL_read(ssl_.get(), buffer, static_cast<int>(size));
  }

  bool ReadLine(std::string& line) {
    for (;;) {
      const size_t end = in_.find("\r\n", next_);
      if (end != std::string::npos) {
        line = in_.substr(next_, end + 2 - next_);
        next_ = end + 2;
        return true;
      }
      in_.erase(0, next_);
      next_ = 0;
      char buffer[16 << 10];
      const ssize_t count = Read(buffer, sizeof buffer);
      if (count <= 0) return false;
      in_.append(buffer, count);
    }
  }

  bool Write(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t count = ssl_ == nullptr
                                ? send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL)
                                : SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
      if (count <= 0) return false;
      bytes.remove_prefix(count);
    }
    return true;
  }

  static std::string Address(const std::string& line) {
    const size_t open = line.find('<');
    return line.substr(open + 1, line.find('>', open) - open - 1);
  }

  FakeSmtpServer* const server_;
  const int fd_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_;
  std::string in_;
  size_t next_ = 0;
  Mail mail_;
  bool has_sender_ = false;
  bool logged_in_ = false;
  int mails_ = 0;
};

FakeSmtpServer::FakeSmtpServer(Options options)
    : options_(std::move(options)),
      tls_(options_.certificate == nullptr ? nullptr : options_.certificate->server_context(),
           &SSL_CTX_free) {
  if (tls_ != nullptr) SSL_CTX_up_ref(tls_.get());
  for (const auto& [point, script] : options_.script) SetScript(point, script, options_.bad_answers);
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_in);
  if (options_.ipv6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_addr = in6addr_loopback;
    size = sizeof *v6;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  }
  reinterpret_cast<sockaddr_in*>(&storage)->sin_port = htons(options_.port);  // In the same place for both.
  listener_ = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bind(listener_, reinterpret_cast<sockaddr*>(&storage), size);
  listen(listener_, 512);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&storage), &size);
  port_ = ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

FakeSmtpServer::~FakeSmtpServer() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    for (int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  std::vector<std::thread> sessions;
  {
    absl::MutexLock lock(&mu_);
    sessions.swap(sessions_);
  }
  for (std::thread& session : sessions) session.join();
  close(listener_);
}

void FakeSmtpServer::Accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    const int on = 1;  // Answers to what came in one piece are several.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    absl::MutexLock lock(&mu_);
    if (stopping_) {
      close(fd);
      return;
    }
    open_.push_back(fd);
    sessions_.emplace_back([this, fd] { Serve(fd); });
  }
}

void FakeSmtpServer::Serve(int fd) {
  // OpenSSL writes without MSG_NOSIGNAL. Blocked in this thread only: the client must not rely on it.
  sigset_t pipe;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
  Session(this, fd).Run();
  absl::MutexLock lock(&mu_);
  open_.erase(std::find(open_.begin(), open_.end(), fd));
  close(fd);
}

std::string FakeSmtpServer::ScriptFor(const std::string& point) {
  absl::MutexLock lock(&mu_);
  const auto entry = script_.find(point);
  return entry == script_.end() || --entry->second.second < 0 ? "" : entry->second.first;
}

void FakeSmtpServer::SetScript(const std::string& point, const std::string& script, int times) {
  absl::MutexLock lock(&mu_);
  script_[point] = {script, times};
}

bool FakeSmtpServer::IsFull() const {
  absl::MutexLock lock(&mu_);
  return static_cast<int>(open_.size()) > options_.max_connections;
}

void FakeSmtpServer::Reached(const std::string& point) {
  absl::MutexLock lock(&mu_);
  ++reached_[point];
}

bool FakeSmtpServer::WaitFor(absl::string_view point, int times) {
  absl::MutexLock lock(&mu_);
  const auto reached = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return reached_[std::string(point)] >= times;
  };
  return mu_.AwaitWithTimeout(absl::Condition(&reached), absl::Minutes(1));
}

int FakeSmtpServer::CountOf(absl::string_view point) const {
  absl::MutexLock lock(&mu_);
  const auto entry = reached_.find(std::string(point));
  return entry == reached_.end() ? 0 : entry->second;
}

void FakeSmtpServer::Release() {
  absl::MutexLock lock(&mu_);
  released_ = true;
}

void FakeSmtpServer::WaitForRelease() {
  absl::MutexLock lock(&mu_);
  const auto free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return released_ || stopping_; };
  mu_.Await(absl::Condition(&free));
}

std::vector<FakeSmtpServer::Mail> FakeSmtpServer::mails() const {
  absl::MutexLock lock(&mu_);
  return mails_;
}

std::vector<std::string> FakeSmtpServer::messages() const {
  absl::MutexLock lock(&mu_);
  return messages_;
}

std::vector<std::string> FakeSmtpServer::commands() const {
  absl::MutexLock lock(&mu_);
  return commands_;
}

}  // namespace errand::handlers
