#include "tests/bench/disk_folder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/bench/failure.h"

namespace errand::bench {
namespace {

// Servers that die with the bench may still write.
constexpr char kSweep[] = "exec >/dev/null 2>&1; read x; rm -rf -- \"$0\" || { sleep 1; rm -rf -- \"$0\"; }";

}  // namespace

DiskFolder::DiskFolder() {
  int alive[2];
  if (mkdtemp(path_.data()) == nullptr) Fail("no folder can be made in /var/tmp");
  if (pipe2(alive, O_CLOEXEC) != 0) Fail("no more pipes");
  sweeper_ = fork();
  if (sweeper_ < 0) Fail("cannot fork");
  if (sweeper_ == 0) {
    setsid();  // An interrupt is for the bench alone.
    dup2(alive[0], STDIN_FILENO);
    execl("/bin/sh", "sh", "-c", kSweep, path_.c_str(), nullptr);
    _exit(127);
  }
  close(alive[0]);
  alive_ = alive[1];
}

DiskFolder::~DiskFolder() {
  close(alive_);
  waitpid(sweeper_, nullptr, 0);
}

void DiskFolder::DropFromCache() const {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path_)) {
    const int file = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    // What is not on the disk yet stays in the cache.
    if (file < 0 || fsync(file) != 0) Fail("the folder's files cannot be synced");
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
    close(file);
  }
}

}  // namespace errand::bench
