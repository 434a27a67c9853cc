#ifndef ERRAND_TESTS_HANDLERS_EMAIL_FAKE_SMTP_SERVER_H_
#define ERRAND_TESTS_HANDLERS_EMAIL_FAKE_SMTP_SERVER_H_

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "tests/handlers/email/certificate.h"

namespace errand::handlers {

// A mail server on loopback that does as it is told. Every connection has a thread.
//
// It behaves well but for what its script says, by the point that the session has come to: CONNECT, EHLO,
// HELO, STARTTLS, HANDSHAKE, MAIL, RCPT, DATA, MESSAGE (before any of it is read), DOT, RSET, QUIT. A
// recipient whose local part is "code" and three digits gets a reply of that code, whatever the script.
class FakeSmtpServer {
 public:
  // In place of bytes to answer with.
  static constexpr char kSilence[] = "<silence>";  // Never answers, and reads what comes.
  static constexpr char kDeaf[] = "<deaf>";        // Never answers, nor reads.
  static constexpr char kDrop[] = "<drop>";        // Closes the connection.
  static constexpr char kHold[] = "<hold>";        // Answers well once Release was called.

  struct Options {
    std::map<std::string, std::string> script = {};
    const Certificate* certificate = nullptr;  // Borrowed by the constructor. Offers STARTTLS when set.
    bool implicit_tls = false;
    bool ipv6 = false;
    // What EHLO offers, beside STARTTLS.
    std::vector<std::string> offers = {"SIZE", "PIPELINING"};
    // More connections at once are told 421.
    int max_connections = 1'000'000;
    // More recipients of a transaction are told `too_many`.
    size_t max_recipients = 1'000'000;
    std::string too_many = "452 4.5.3 too many recipients\r\n";
    // After so many mails a connection is closed without a word.
    int mails_a_connection = 1'000'000;
    // The script holds for so many answers at each point; later ones are good.
    int bad_answers = 1'000'000;
    // What a login must be: the initial response of AUTH PLAIN in base64; empty: nobody needs one.
    std::string login = {};
    // Serves on this port; 0: any.
    int port = 0;
  };

  struct Mail {
    std::string sender;
    std::vector<std::string> recipients;  // The accepted ones.
    std::string data;                     // Dots unstuffed, without the final one.
    bool encrypted = false;
    bool resumed = false;  // Its TLS session.
  };

  explicit FakeSmtpServer(Options options);
  ~FakeSmtpServer();

  int port() const { return port_; }

  // Waits until sessions have come to `point` so many times; false after a minute.
  bool WaitFor(absl::string_view point, int times = 1);

  // How often sessions have come to `point`: CONNECT counts the connections.
  int CountOf(absl::string_view point) const;

  // From now on `point` is answered with `script` so many times.
  void SetScript(const std::string& point, const std::string& script, int times);

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
  bool IsFull() const;
  std::string ScriptFor(const std::string& point);

  const Options options_;                                        // But for what stands at mu_.
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> tls_;  // The certificate's, for as long as we live.
  int listener_ = -1;
  int port_ = 0;

  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool released_ ABSL_GUARDED_BY(mu_) = false;
  std::map<std::string, int> reached_ ABSL_GUARDED_BY(mu_);
  // What is left of the script: an answer, and how often.
  std::map<std::string, std::pair<std::string, int>> script_ ABSL_GUARDED_BY(mu_);
  std::vector<Mail> mails_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> messages_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> commands_ ABSL_GUARDED_BY(mu_);
  std::vector<int> open_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> sessions_ ABSL_GUARDED_BY(mu_);

  std::thread acceptor_;
};

}  // namespace errand::handlers

#endif  // ERRAND_TESTS_HANDLERS_EMAIL_FAKE_SMTP_SERVER_H_
