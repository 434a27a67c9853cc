#include "tests/store/log/fake_disk.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace errand::store::log {

class FakeDisk::OpenFile final : public File {
 public:
  OpenFile(FakeDisk* disk, std::string name, std::shared_ptr<Inode> inode)
      : disk_(disk), name_(std::move(name)), inode_(std::move(inode)) {}

  absl::StatusOr<size_t> Read(uint64_t offset, absl::Span<char> bytes) const override {
    absl::MutexLock lock(&disk_->mu_);
    if (offset >= inode_->bytes.size()) return size_t{0};
    const size_t size = std::min<uint64_t>(bytes.size(), inode_->bytes.size() - offset);
    std::copy_n(inode_->bytes.begin() + static_cast<std::ptrdiff_t>(offset), size, bytes.begin());
    return size;
  }
  absl::Status Write(uint64_t offset, absl::string_view bytes) override {
    return disk_->Write(*inode_, offset, bytes);
  }
  absl::Status Sync() override { return disk_->Sync(*inode_); }
  absl::StatusOr<uint64_t> Size() const override {
    absl::MutexLock lock(&disk_->mu_);
    return inode_->bytes.size();
  }
  absl::Status CheckInPlace() const override {
    absl::MutexLock lock(&disk_->mu_);
    const auto found = disk_->folder_.find(name_);
    if (found != disk_->folder_.end() && found->second == inode_) return absl::OkStatus();
    return absl::UnavailableError(absl::StrCat("'", name_, "' is not there any more"));
  }

 private:
  FakeDisk* const disk_;
  const std::string name_;
  const std::shared_ptr<Inode> inode_;
};

FakeDisk::FakeDisk() = default;
FakeDisk::~FakeDisk() = default;

void FakeDisk::LosePower(std::mt19937_64& random) {
  absl::MutexLock lock(&mu_);
  // The folder is as it was at some time since it was synced.
  const size_t choice = random() % (unsynced_folders_.size() + 1);
  if (choice < unsynced_folders_.size()) folder_ = unsynced_folders_[choice];
  unsynced_folders_.clear();
  Folder after;
  for (const auto& [name, inode] : folder_) {
    // A copy: files that are open see nothing of it.
    auto kept = std::make_shared<Inode>();
    kept->bytes = inode->synced;
    if (random() % 2 == 0) kept->bytes.resize(inode->bytes.size());
    for (size_t at = 0; at < kept->bytes.size(); at += kSectorBytes) {
      if (random() % 2 == 0) continue;
      const size_t size = std::min({kSectorBytes, kept->bytes.size() - at, inode->bytes.size() - at});
      kept->bytes.replace(at, size, inode->bytes, at, size);
    }
    kept->synced = kept->bytes;
    after[name] = std::move(kept);
  }
  folder_ = std::move(after);
  fail_at_.reset();
}

void FakeDisk::FailAfter(int operations, absl::Status status) {
  absl::MutexLock lock(&mu_);
  fail_at_ = operations_ + operations;
  failure_ = std::move(status);
}

int FakeDisk::operations() const {
  absl::MutexLock lock(&mu_);
  return operations_;
}

void FakeDisk::LeaveFree(uint64_t bytes) {
  absl::MutexLock lock(&mu_);
  capacity_ = Used() + bytes;
}

void FakeDisk::SetCapacity(uint64_t bytes) {
  absl::MutexLock lock(&mu_);
  capacity_ = bytes;
  was_full_ = false;
}

void FakeDisk::WaitUntilFull() const {
  absl::MutexLock lock(&mu_);
  mu_.Await(absl::Condition(&was_full_));
}

void FakeDisk::WaitForFile(absl::string_view suffix) const {
  absl::MutexLock lock(&mu_);
  const auto is_there = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return std::any_of(folder_.begin(), folder_.end(),
                       [&](const auto& entry) { return absl::EndsWith(entry.first, suffix); });
  };
  mu_.Await(absl::Condition(&is_there));
}

void FakeDisk::WaitUntilSynced(const std::string& name) const {
  absl::MutexLock lock(&mu_);
  const Inode* const inode = folder_.at(name).get();
  const auto is_synced = [inode] { return inode->bytes == inode->synced; };
  mu_.Await(absl::Condition(&is_synced));
}

std::shared_ptr<FakeDisk> FakeDisk::Copy() const {
  auto copy = std::make_shared<FakeDisk>();
  absl::MutexLock lock(&mu_);
  absl::MutexLock copy_lock(&copy->mu_);
  for (const auto& [name, inode] : folder_) {
    copy->folder_[name] = std::make_shared<Inode>(Inode{inode->bytes, inode->bytes});
  }
  return copy;
}

std::string FakeDisk::Contents(const std::string& name) const {
  absl::MutexLock lock(&mu_);
  return folder_.at(name)->bytes;
}

void FakeDisk::SetContents(const std::string& name, std::string contents) {
  absl::MutexLock lock(&mu_);
  auto inode = std::make_shared<Inode>();
  inode->bytes = contents;
  inode->synced = std::move(contents);
  folder_[name] = std::move(inode);
}

absl::Status FakeDisk::Operate() {
  const int operation = operations_++;
  return fail_at_.has_value() && operation >= *fail_at_ ? failure_ : absl::OkStatus();
}

uint64_t FakeDisk::Used() const {
  uint64_t used = 0;
  for (const auto& [name, inode] : folder_) used += inode->bytes.size();
  return used;
}

absl::Status FakeDisk::Write(Inode& inode, uint64_t offset, absl::string_view bytes) {
  absl::MutexLock lock(&mu_);
  const bool first_failure = fail_at_.has_value() && operations_ == *fail_at_;
  const absl::Status failed = Operate();
  if (!failed.ok() && !first_failure) return failed;
  if (!failed.ok()) bytes = bytes.substr(0, bytes.size() / 2);
  const uint64_t grown =
      offset + bytes.size() > inode.bytes.size() ? offset + bytes.size() - inode.bytes.size() : 0;
  if (grown > 0 && Used() + grown > capacity_) {
    was_full_ = true;
    return absl::ResourceExhaustedError("the disk is full");
  }
  if (grown > 0) inode.bytes.resize(offset + bytes.size());
  inode.bytes.replace(offset, bytes.size(), bytes.data(), bytes.size());
  return failed;
}

absl::Status FakeDisk::Sync(Inode& inode) {
  absl::MutexLock lock(&mu_);
  absl::Status failed = Operate();
  if (failed.ok()) inode.synced = inode.bytes;
  return failed;
}

absl::StatusOr<std::unique_ptr<File>> FakeDisk::Open(const std::string& name) {
  absl::MutexLock lock(&mu_);
  std::shared_ptr<Inode> inode;
  if (const auto found = folder_.find(name); found != folder_.end()) {
    inode = found->second;
  } else {
    if (absl::Status failed = Operate(); !failed.ok()) return failed;
    unsynced_folders_.push_back(folder_);
    inode = folder_[name] = std::make_shared<Inode>();
  }
  return std::make_unique<OpenFile>(this, name, std::move(inode));
}

absl::StatusOr<std::unique_ptr<File>> FakeDisk::OpenToRead(const std::string& name) const {
  absl::MutexLock lock(&mu_);
  const auto found = folder_.find(name);
  if (found == folder_.end()) return absl::NotFoundError(absl::StrCat("no file '", name, "'"));
  return std::make_unique<OpenFile>(const_cast<FakeDisk*>(this), name, found->second);
}

absl::StatusOr<std::vector<std::string>> FakeDisk::List() const {
  absl::MutexLock lock(&mu_);
  std::vector<std::string> names;
  for (const auto& [name, inode] : folder_) names.push_back(name);
  return names;
}

absl::Status FakeDisk::Rename(const std::string& from, const std::string& to) {
  absl::MutexLock lock(&mu_);
  if (absl::Status failed = Operate(); !failed.ok()) return failed;
  const auto found = folder_.find(from);
  if (found == folder_.end()) return absl::NotFoundError(absl::StrCat("no file '", from, "'"));
  unsynced_folders_.push_back(folder_);
  std::shared_ptr<Inode> inode = std::move(found->second);
  folder_.erase(found);
  folder_[to] = std::move(inode);
  return absl::OkStatus();
}

absl::Status FakeDisk::Remove(const std::string& name) {
  absl::MutexLock lock(&mu_);
  if (absl::Status failed = Operate(); !failed.ok()) return failed;
  if (folder_.count(name) == 0) return absl::NotFoundError(absl::StrCat("no file '", name, "'"));
  unsynced_folders_.push_back(folder_);
  folder_.erase(name);
  return absl::OkStatus();
}

absl::Status FakeDisk::SyncFolder() {
  absl::MutexLock lock(&mu_);
  if (absl::Status failed = Operate(); !failed.ok()) return failed;
  unsynced_folders_.clear();
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> FakeDisk::FreeBytes() const {
  absl::MutexLock lock(&mu_);
  return capacity_ - std::min(capacity_, Used());
}

}  // namespace errand::store::log
