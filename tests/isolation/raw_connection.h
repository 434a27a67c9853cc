#ifndef ERRAND_TESTS_ISOLATION_RAW_CONNECTION_H_
#define ERRAND_TESTS_ISOLATION_RAW_CONNECTION_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace errand {

// A TCP connection to the server, for bytes that no client would send.
class RawConnection {
 public:
  // Connects to "IPv4:port".
  explicit RawConnection(const std::string& address);
  RawConnection(RawConnection&& other) noexcept;
  ~RawConnection();

  bool is_open() const { return fd_ >= 0; }

  // Sends all of `bytes`, and throws away what has been received: a server that is not listened to stops
  // reading. False when the server has ended the connection, or takes nothing for ten seconds.
  bool Send(absl::string_view bytes);

  // Sends, and leaves what the server sends unread.
  bool SendWithoutReading(absl::string_view bytes);

  // What has come, waiting for something at most `patience`. Empty when nothing came, or at the end.
  std::string Receive(absl::Duration patience);

  // True when the server has ended the connection, or does within `patience`.
  bool WaitForEnd(absl::Duration patience);

 private:
  // 0 when `events` did not come.
  int Poll(int16_t events, absl::Duration patience) const;
  void DropReceived();

  int fd_ = -1;
};

}  // namespace errand

#endif  // ERRAND_TESTS_ISOLATION_RAW_CONNECTION_H_
