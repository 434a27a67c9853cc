#include "tests/crash/data_folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

namespace errand {
namespace {

namespace fs = std::filesystem;

constexpr char kMemory[] = "/dev/shm";
constexpr uintmax_t kRoom = 1 << 30;
constexpr off_t kBlock = 4096;

// Where the zeros begin that go on to the end.
off_t EndOfData(int file, off_t size) {
  std::vector<char> bytes(1 << 20);
  while (size > 0) {
    const off_t begin = std::max<off_t>(0, size - static_cast<off_t>(bytes.size()));
    const ssize_t got = pread(file, bytes.data(), static_cast<size_t>(size - begin), begin);
    if (got != size - begin) return size;
    const auto last = std::find_if(bytes.rend() - got, bytes.rend(), [](char byte) { return byte != 0; });
    if (last != bytes.rend()) return begin + (last.base() - bytes.begin());
    size = begin;
  }
  return 0;
}

void ReleaseZerosOf(const fs::path& path) {
  const int file = open(path.c_str(), O_RDWR | O_CLOEXEC);
  struct stat stat = {};
  // st_blocks counts blocks of 512 bytes.
  if (file >= 0 && fstat(file, &stat) == 0 && stat.st_blocks * 512 > stat.st_size / 2) {
    const off_t begin = (EndOfData(file, stat.st_size) + kBlock - 1) / kBlock * kBlock;
    // A file system that knows no holes keeps the blocks.
    if (begin < stat.st_size) {
      (void)fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, begin, stat.st_size - begin);
    }
  }
  if (file >= 0) close(file);
}

}  // namespace

DataFolder::DataFolder() {
  std::error_code none;
  const bool in_memory = access(kMemory, W_OK) == 0 && fs::space(kMemory, none).available >= kRoom && !none;
  const fs::path parent = in_memory ? fs::path(kMemory) : fs::temp_directory_path();
  path_ = (parent / "errand-crash-XXXXXX").string();
  EXPECT_NE(mkdtemp(path_.data()), nullptr) << path_;
}

DataFolder::~DataFolder() {
  if (!kept_) fs::remove_all(path_);
}

void DataFolder::ReleaseZeros() const {
  for (const auto& entry : fs::directory_iterator(path_)) {
    if (entry.path().extension() == ".segment") ReleaseZerosOf(entry.path());
  }
}

}  // namespace errand
