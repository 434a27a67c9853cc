#ifndef ERRAND_TESTS_END_TO_END_SERVER_LOG_H_
#define ERRAND_TESTS_END_TO_END_SERVER_LOG_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace errand {

// What a server writes to its log, read as it comes: `ServerProcess server(flags, log.writer());`.
class ServerLog {
 public:
  ServerLog() {
    if (pipe2(ends_, O_CLOEXEC) != 0) std::abort();
  }
  ~ServerLog() {
    close(ends_[0]);
    close(ends_[1]);
  }
  ServerLog(const ServerLog&) = delete;
  ServerLog& operator=(const ServerLog&) = delete;

  int writer() const { return ends_[1]; }

  // Waits for a line that holds `text`, one after those that were waited for before, and returns it; empty
  // when a minute was not enough.
  std::string WaitFor(const std::string& text) {
    while (true) {
      for (size_t end = text_.find('\n'); end != std::string::npos; end = text_.find('\n')) {
        std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        if (line.find(text) != std::string::npos) return line;
      }
      pollfd readable{ends_[0], POLLIN, 0};
      char buffer[4096];
      const ssize_t got = poll(&readable, 1, 60'000) == 1 ? read(ends_[0], buffer, sizeof buffer) : 0;
      if (got <= 0) {
        ADD_FAILURE() << "the log never said '" << text << "'";
        return "";
      }
      text_.append(buffer, static_cast<size_t>(got));
    }
  }

 private:
  int ends_[2];
  std::string text_;
};

}  // namespace errand

#endif  // ERRAND_TESTS_END_TO_END_SERVER_LOG_H_
