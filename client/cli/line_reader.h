#ifndef ERRAND_CLIENT_CLI_LINE_READER_H_
#define ERRAND_CLIENT_CLI_LINE_READER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace errand::cli {

// The lines of a file, a pipe or standard input, one after another, however many. Used by one thread.
class LineReader final {
 public:
  // "-" is standard input. INVALID_ARGUMENT names the path when it cannot be opened.
  static absl::StatusOr<std::unique_ptr<LineReader>> Open(const std::string& path);
  ~LineReader();

  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  // Waits for the next line and puts it into `line`, without its line feed; false at the end. CANCELLED when
  // `wake_fd` became readable first, DEADLINE_EXCEEDED at `deadline`, INVALID_ARGUMENT when it cannot be read
  // or holds more than 64 MiB, which no request may.
  absl::StatusOr<bool> Next(std::string& line, int wake_fd, absl::Time deadline);

  // Whether Next() has something to go on with, so that it need not wait for whoever writes.
  bool HasMore() const;

  // The number of the line that Next() gave, from 1, and where it ended, in bytes from the start.
  int64_t number() const { return number_; }
  int64_t offset() const { return offset_; }

  // Of the file; 0 when it is none.
  int64_t total_bytes() const { return total_bytes_; }

 private:
  LineReader(int fd, std::string name);

  absl::Status Fill(int wake_fd, absl::Time deadline);

  const int fd_;
  const std::string name_;
  const int64_t total_bytes_;
  std::string buffer_;  // Read and not yet given, from taken_ on.
  size_t taken_ = 0;
  bool at_end_ = false;
  int64_t number_ = 0;
  int64_t offset_ = 0;
};

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_LINE_READER_H_
