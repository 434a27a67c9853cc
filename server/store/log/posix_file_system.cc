#include "server/store/log/posix_file_system.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace errand::store::log {
namespace {

// Not in List: it is no part of the log.
constexpr char kLockName[] = "LOCK";

absl::Status Error(absl::string_view what, absl::string_view file, int error) {
  const std::string message = absl::StrCat(what, " '", file, "': ", std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
      return absl::ResourceExhaustedError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    default:
      return absl::UnavailableError(message);
  }
}

// Whether `path` is what `fd` has open.
absl::Status CheckIs(int fd, const std::string& path) {
  struct stat opened;
  struct stat there;
  if (fstat(fd, &opened) != 0) return Error("fstat", path, errno);
  if (stat(path.c_str(), &there) != 0) {
    if (errno == ENOENT || errno == ENOTDIR)
      return absl::UnavailableError(absl::StrCat("'", path, "' is gone, which this server uses"));
    return absl::OkStatus();  // It cannot be looked at: what is written will tell.
  }
  if (opened.st_dev == there.st_dev && opened.st_ino == there.st_ino) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat("'", path, "' was replaced while this server uses it"));
}

class PosixFile final : public File {
 public:
  PosixFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  ~PosixFile() override { close(fd_); }

  absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> bytes) const override {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t size =
          pread(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return Error("read", path_, errno);
      if (size == 0) break;
      done += static_cast<size_t>(size);
    }
    return done;
  }

  absl::Status Write(uint64_t offset, absl::string_view bytes) override {
    while (!bytes.empty()) {
      const ssize_t size = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return Error("write", path_, errno);
      bytes.remove_prefix(static_cast<size_t>(size));
      offset += static_cast<uint64_t>(size);
    }
    return absl::OkStatus();
  }

  absl::Status Sync() override {
    if (fdatasync(fd_) != 0) return Error("fdatasync", path_, errno);
    return absl::OkStatus();
  }

  absl::StatusOr<uint64_t> Size() const override {
    struct stat status;
    if (fstat(fd_, &status) != 0) return Error("fstat", path_, errno);
    return static_cast<uint64_t>(status.st_size);
  }

  absl::Status CheckInPlace() const override { return CheckIs(fd_, path_); }

 private:
  const std::string path_;
  const int fd_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PosixFileSystem>> PosixFileSystem::OpenFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) return Error("mkdir", path, errno);
  return OpenExistingFolder(path);
}

absl::StatusOr<std::unique_ptr<PosixFileSystem>> PosixFileSystem::OpenExistingFolder(
    const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return Error("open", path, errno);
  const int lock = openat(folder, kLockName, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) {
    const int error = errno;
    close(folder);
    return Error("open", absl::StrCat(path, "/", kLockName), error);
  }
  // Kept until the descriptor is closed, by the end of the process at the latest.
  if (flock(lock, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    close(lock);
    close(folder);
    if (error != EWOULDBLOCK) return Error("flock", absl::StrCat(path, "/", kLockName), error);
    return absl::FailedPreconditionError(absl::StrCat("'", path, "' is in use by another server"));
  }
  return std::unique_ptr<PosixFileSystem>(new PosixFileSystem(path, folder, lock));
}

absl::StatusOr<std::unique_ptr<PosixFileSystem>> PosixFileSystem::OpenFolderToRead(const std::string& path) {
  const int folder = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return Error("open", path, errno);
  return std::unique_ptr<PosixFileSystem>(new PosixFileSystem(path, folder, -1));
}

PosixFileSystem::~PosixFileSystem() {
  if (lock_ >= 0) close(lock_);
  close(folder_);
}

absl::StatusOr<std::unique_ptr<File>> PosixFileSystem::Open(const std::string& name) {
  const std::string path = absl::StrCat(path_, "/", name);
  const int fd = openat(folder_, name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return Error("open", path, errno);
  return std::make_unique<PosixFile>(path, fd);
}

absl::StatusOr<std::unique_ptr<File>> PosixFileSystem::OpenToRead(const std::string& name) const {
  const std::string path = absl::StrCat(path_, "/", name);
  const int fd = openat(folder_, name.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error("open", path, errno);
  return std::make_unique<PosixFile>(path, fd);
}

absl::StatusOr<std::vector<std::string>> PosixFileSystem::List() const {
  // A descriptor of its own: fdopendir takes it over, and its place in the folder with it.
  const int fd = openat(folder_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const folder = fd < 0 ? nullptr : fdopendir(fd);
  if (folder == nullptr) {
    const int error = errno;
    if (fd >= 0) close(fd);
    return Error("open", path_, error);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = readdir(folder)) {
    struct stat status;
    const bool is_file =
        fstatat(folder_, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode);
    if (is_file && std::strcmp(entry->d_name, kLockName) != 0) names.emplace_back(entry->d_name);
    errno = 0;
  }
  const int error = errno;
  closedir(folder);
  if (error != 0) return Error("readdir", path_, error);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status PosixFileSystem::Rename(const std::string& from, const std::string& to) {
  if (renameat(folder_, from.c_str(), folder_, to.c_str()) == 0) return absl::OkStatus();
  return Error("rename", absl::StrCat(path_, "/", from), errno);
}

absl::Status PosixFileSystem::Remove(const std::string& name) {
  if (unlinkat(folder_, name.c_str(), 0) == 0) return absl::OkStatus();
  return Error("unlink", absl::StrCat(path_, "/", name), errno);
}

absl::Status PosixFileSystem::SyncFolder() {
  if (fsync(folder_) == 0) return absl::OkStatus();
  return Error("fsync", path_, errno);
}

absl::StatusOr<uint64_t> PosixFileSystem::FreeBytes() const {
  struct statvfs status;
  if (fstatvfs(folder_, &status) != 0) return Error("statvfs", path_, errno);
  return uint64_t{status.f_bavail} * status.f_frsize;
}

absl::Status PosixFileSystem::CheckInPlace() const {
  absl::Status in_place = CheckIs(folder_, path_);
  if (in_place.ok() && lock_ >= 0) in_place = CheckIs(lock_, absl::StrCat(path_, "/", kLockName));
  return in_place;
}

}  // namespace errand::store::log
