#ifndef ERRAND_TESTS_BENCH_SLOW_SMTP_SERVER_H_
#define ERRAND_TESTS_BENCH_SLOW_SMTP_SERVER_H_

#include <atomic>
#include <chrono>
#include <map>
#include <string>
#include <thread>

namespace errand::bench {

// An SMTP server on 127.0.0.1 that takes every mail, but thinks long about every reply, the greeting
// included. One thread for all connections.
class SlowSmtpServer {
 public:
  explicit SlowSmtpServer(std::chrono::milliseconds delay);
  ~SlowSmtpServer();

  SlowSmtpServer(const SlowSmtpServer&) = delete;
  SlowSmtpServer& operator=(const SlowSmtpServer&) = delete;

  std::string address() const;
  // Sessions so far.
  int accepted() const { return accepted_.load(); }

 private:
  using Clock = std::chrono::steady_clock;

  struct Session {
    std::string input;    // What has come and is not a whole line yet.
    std::string replies;  // What is said at `due`.
    Clock::time_point due;
    bool in_data = false;
  };

  void Run();
  void Accept();
  // False when the client has gone.
  bool Read(int fd, Session& session);
  void TakeLine(const std::string& line, Session& session);
  void Reply(Session& session, const char* text);

  const std::chrono::milliseconds delay_;
  int listener_;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> accepted_{0};
  std::map<int, Session> sessions_;  // By descriptor; owned by the thread.
  std::thread thread_;
};

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_SLOW_SMTP_SERVER_H_
