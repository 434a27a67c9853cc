#ifndef ERRAND_TESTS_STORE_LOG_FAKE_DISK_H_
#define ERRAND_TESTS_STORE_LOG_FAKE_DISK_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/store/log/file_system.h"

namespace errand::store::log {

// A folder in memory that fails as disks do. Any thread.
class FakeDisk final : public FileSystem {
 public:
  static constexpr size_t kSectorBytes = 512;

  FakeDisk();
  ~FakeDisk() override;

  // Everything that was not synced is kept or lost, each sector for itself, as `random` has it; so is every
  // file that was created, renamed or removed since the folder was synced, in order. Files that are open
  // are of no use any more.
  void LosePower(std::mt19937_64& random);

  // The operation that changes something so many operations from now, 0 for the next, and all behind it fail:
  // a write has then written a part of its bytes.
  void FailAfter(int operations, absl::Status status);
  // So many there were so far.
  int operations() const;

  // Bytes that all files together may have.
  void SetCapacity(uint64_t bytes);
  // So many more than they have now.
  void LeaveFree(uint64_t bytes);
  // Waits until a write has been refused for that, since it was set.
  void WaitUntilFull() const;

  // Wait until there is a file whose name ends like this; until all that was written to a file is synced.
  void WaitForFile(absl::string_view suffix) const;
  void WaitUntilSynced(const std::string& name) const;

  // The same files, at one moment: as they are when a server that uses them is killed.
  std::shared_ptr<FakeDisk> Copy() const;
  // A file's bytes as they are read now, for tests that damage them. What is set is another file of that
  // name: one that is open is not in place any more.
  std::string Contents(const std::string& name) const;
  void SetContents(const std::string& name, std::string contents);

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& name) override;
  absl::StatusOr<std::unique_ptr<File>> OpenToRead(const std::string& name) const override;
  absl::StatusOr<std::vector<std::string>> List() const override;
  absl::Status Rename(const std::string& from, const std::string& to) override;
  absl::Status Remove(const std::string& name) override;
  absl::Status SyncFolder() override;
  absl::StatusOr<uint64_t> FreeBytes() const override;
  absl::Status CheckInPlace() const override { return absl::OkStatus(); }

 private:
  class OpenFile;
  struct Inode {
    std::string bytes;   // As they are read.
    std::string synced;  // As they are after a loss of power, at the least.
  };
  using Folder = std::map<std::string, std::shared_ptr<Inode>>;

  // OK, or the failure that is due. Counts.
  absl::Status Operate() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Write(Inode& inode, uint64_t offset, absl::string_view bytes);
  absl::Status Sync(Inode& inode);
  uint64_t Used() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable absl::Mutex mu_;
  Folder folder_ ABSL_GUARDED_BY(mu_);
  std::vector<Folder> unsynced_folders_ ABSL_GUARDED_BY(mu_);  // What it was, since it was synced.
  int operations_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<int> fail_at_ ABSL_GUARDED_BY(mu_);
  absl::Status failure_ ABSL_GUARDED_BY(mu_);
  uint64_t capacity_ ABSL_GUARDED_BY(mu_) = UINT64_MAX;
  bool was_full_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace errand::store::log

#endif  // ERRAND_TESTS_STORE_LOG_FAKE_DISK_H_
