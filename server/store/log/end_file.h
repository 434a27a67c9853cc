#ifndef ERRAND_SERVER_STORE_LOG_END_FILE_H_
#define ERRAND_SERVER_STORE_LOG_END_FILE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/log/file_system.h"
#include "server/store/log/record_format.h"

namespace errand::store::log {

inline constexpr char kEndName[] = "END";

// Up to where the log was synced, at the least, as the file END says: a log that ends before that has lost
// something. NOT_FOUND: there is no END, or none that is whole, and nothing is known.
absl::StatusOr<Place> ReadEnd(const FileSystem& folder);

// DATA_LOSS, naming file and offset: the log ends at `end`, and was synced up to `synced`, which is later.
absl::Status EndsEarly(Place end, Place synced);

// Writes END: two halves in turn, in place, so that the other one is whole whenever one is not, and a full
// disk has room for it. One thread at a time.
class EndFile {
 public:
  // `folder` is borrowed. Changes nothing.
  static absl::StatusOr<EndFile> Open(FileSystem* folder);

  // What it says; segment 0 if it says nothing.
  Place place() const { return place_; }
  // The log was synced up to `place`; durable when it returns. What is less than it says already is not
  // written. RESOURCE_EXHAUSTED: there was no END, and no room for it; may be tried again.
  absl::Status Say(Place place);
  // As File::CheckInPlace; OK while nothing was written.
  absl::Status CheckInPlace() const;

 private:
  explicit EndFile(FileSystem* folder) : folder_(folder) {}

  FileSystem* folder_;
  Place place_;
  size_t next_ = 0;             // The half that says less.
  std::unique_ptr<File> file_;  // Once it was written.
};

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_END_FILE_H_
