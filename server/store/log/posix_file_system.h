#ifndef ERRAND_SERVER_STORE_LOG_POSIX_FILE_SYSTEM_H_
#define ERRAND_SERVER_STORE_LOG_POSIX_FILE_SYSTEM_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/store/log/file_system.h"

namespace errand::store::log {

// A folder of this machine. Any thread.
class PosixFileSystem final : public FileSystem {
 public:
  // Creates the folder if there is none (not its parents), and locks it until the object is destroyed.
  // FAILED_PRECONDITION when another process has locked it.
  static absl::StatusOr<std::unique_ptr<PosixFileSystem>> OpenFolder(const std::string& path);
  // The same of a folder that is there; NOT_FOUND.
  static absl::StatusOr<std::unique_ptr<PosixFileSystem>> OpenExistingFolder(const std::string& path);
  // A folder that another process may have locked, for reading only; NOT_FOUND.
  static absl::StatusOr<std::unique_ptr<PosixFileSystem>> OpenFolderToRead(const std::string& path);
  ~PosixFileSystem() override;

  PosixFileSystem(const PosixFileSystem&) = delete;
  PosixFileSystem& operator=(const PosixFileSystem&) = delete;

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& name) override;
  absl::StatusOr<std::unique_ptr<File>> OpenToRead(const std::string& name) const override;
  absl::StatusOr<std::vector<std::string>> List() const override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& name) override;
  absl::Status SyncFolder() override;
  absl::StatusOr<uint64_t> FreeBytes() const override;
  absl::Status CheckInPlace() const override;

 private:
  PosixFileSystem(std::string path, int folder, int lock)
      : path_(std::move(path)), folder_(folder), lock_(lock) {}

  const std::string path_;
  const int folder_;
  const int lock_;  // -1: none.
};

}  // namespace errand::store::log

#endif  // ERRAND_SERVER_STORE_LOG_POSIX_FILE_SYSTEM_H_
