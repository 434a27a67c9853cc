#ifndef ERRAND_TESTS_ISOLATION_UPLOADER_H_
#define ERRAND_TESTS_ISOLATION_UPLOADER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tests/isolation/raw_connection.h"

namespace errand {

// Sends long messages over a connection as fast as the server's flow control lets it (RFC 9113, section 5.2).
class Uploader {
 public:
  // Connects and says hello.
  explicit Uploader(const std::string& address);

  // Begins a call on `stream`.
  bool Begin(uint32_t stream, absl::string_view path, absl::string_view more_headers = "");

  // Sends what the windows take of `bytes` at the moment; how many, or -1 at the end of the connection.
  int64_t SendSome(uint32_t stream, absl::string_view bytes);

  // Reads what has come, waiting for something at most `patience`; false at the end of the connection.
  bool ReadFrames(absl::Duration patience);

  RawConnection& connection() { return connection_; }

 private:
  bool OnFrame(uint8_t type, uint8_t flags, uint32_t stream, absl::string_view payload);

  RawConnection connection_;
  std::string received_;
  int64_t initial_window_ = 65'535;
  int64_t window_ = 65'535;              // The connection's.
  std::map<uint32_t, int64_t> windows_;  // The streams'.
};

}  // namespace errand

#endif  // ERRAND_TESTS_ISOLATION_UPLOADER_H_
