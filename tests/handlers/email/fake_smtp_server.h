#ifndef ERRAND_TESTS_HANDLERS_EMAIL_FAKE_SMTP_SERVER_H_
#define ERRAND_TESTS_HANDLERS_EMAIL_FAKE_SMTP_SERVER_H_

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "tests/handlers/email/certificate.h"

namespace errand::handlers {

// A mail server on loopback that does as it is told. Every connection has a thread.
//
// It behaves well but for what its script says, by the point that the session has come to: CONNECT, EHLO,
// HELO, STARTTLS, HANDSHAKE, MAIL, RCPT, DATA, MESSAGE (before any of it is read), DOT, QUIT. A recipient
// whose local part is "code" and three digits gets a reply of that code, whatever the script.
class FakeSmtpServer {
 public:
  // In place of bytes to answer with.
  static constexpr char kSilence[] = "<silence>";  // Never answers, and reads what comes.
  static constexpr char kDeaf[] = "<deaf>";        // Never answers, nor reads.
  static constexpr char kDrop[] = "<drop>";        // Closes the connection.
  static constexpr char kHold[] = "<hold>";        // Answers well once Release was called.

  struct Options {
    std::map<std::string, std::string> script;
    const Certificate* certificate = nullptr;  // Borrowed by the constructor. Offers STARTTLS when set.
    bool implicit_tls = false;
    bool ipv6 = false;
  };

  struct Mail {
    std::string sender;
    std::vector<std::string> recipients;  // The accepted ones.
    std::string data;                     // Dots unstuffed, without the final one.
    bool encrypted = false;
  };

  explicit FakeSmtpServer(Options options);
  ~FakeSmtpServer();

  int port() const { return port_; }

  // Waits until some session has come to `point`; false after a minute.
  bool WaitFor(absl::string_view point);

  // Lets go of those that kHold holds, now and later.
  void Release();

  // What was delivered so far, in order of arrival.
  std::vector<Mail> mails() const;

  // Every message that came to its final dot, whatever the reply to that.
  std::vector<std::string> messages() const;

  // Every command line that came, of all sessions.
  std::vector<std::string> commands() const;

 private:
  class Session;

  void Accept();
  void Serve(int fd);
  void Reached(const std::string& point);
  void WaitForRelease();
  std::string ScriptFor(const std::string& point) const;

  const Options options_;
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> tls_;  // The certificate's, for as long as we live.
  int listener_ = -1;
  int port_ = 0;

  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool released_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::string, int> reached_ ABSL_GUARDED_BY(mu_);
  std::vector<Mail> mails_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> messages_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> commands_ ABSL_GUARDED_BY(mu_);
  std::vector<int> open_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> sessions_ ABSL_GUARDED_BY(mu_);

  std::thread acceptor_;
};

}  // namespace errand::handlers

#endif  // ERRAND_TESTS_HANDLERS_EMAIL_FAKE_SMTP_SERVER_H_
