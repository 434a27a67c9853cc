#ifndef ERRAND_SERVER_STORE_LOG_FILE_SYSTEM_H_
#define ERRAND_SERVER_STORE_LOG_FILE_SYSTEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

// What the log needs of a disk: an interface, so that tests can put one there that fails, loses what was not
// synced, or runs full. Errors name the file. RESOURCE_EXHAUSTED: the disk is full; NOT_FOUND; everything
// else is UNAVAILABLE.
namespace errand::store::log {

// An open file. Reads and writes may come from several threads.
class File {
 public:
  virtual ~File() = default;

  // Reads bytes.size() bytes, or as many as there are up to the end of the file; how many.
  virtual absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> bytes) const = 0;

  // Writes all of them or says why not; some may then be written. Extends the file where need be.
  virtual absl::Status Write(uint64_t offset, absl::string_view bytes) = 0;

  // Returns when what was written before would survive a loss of power. After an error nobody knows what
  // would, and another Sync does not help: the system may have dropped the pages (fsyncgate).
  virtual absl::Status Sync() = 0;

  virtual absl::StatusOr<uint64_t> Size() const = 0;

  // UNAVAILABLE, naming it: there is no such file any more, or another one, under the name that this one had
  // when it was opened. What is written goes nowhere then. Any thread.
  virtual absl::Status CheckInPlace() const = 0;
};

// One folder. Names are those of files in it.
class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // Creates the file if there is none.
  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& name) = 0;

  // For reading only; NOT_FOUND if there is none.
  virtual absl::StatusOr<std::unique_ptr<File>> OpenToRead(const std::string& name) const = 0;

  // The names of all files, sorted.
  virtual absl::StatusOr<std::vector<std::string>> List() const = 0;

  // Replaces `to` if there is one.
  virtual absl::Status Rename(const std::string& from, const std::string& to) = 0;
  virtual absl::Status Remove(const std::string& name) = 0;

  // Returns when the files that were created, renamed and removed before would be so after a loss of power.
  virtual absl::Status SyncFolder() = 0;

  // What unprivileged processes may still write.
  virtual absl::StatusOr<uint64_t> FreeBytes() const = 0;

  // UNAVAILABLE, naming what it is: the folder, or what keeps other servers out of it, is gone or was
  // replaced.
  virtual absl::Status CheckInPlace() const = 0;
};

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_FILE_SYSTEM_H_
