#ifndef ERRAND_TESTS_BENCH_DISK_FOLDER_H_
#define ERRAND_TESTS_BENCH_DISK_FOLDER_H_

#include <sys/types.h>

#include <string>

namespace errand::bench {

// A folder on a disk (/tmp may be memory), gone with the object, and when the bench dies, however it does.
class DiskFolder {
 public:
  DiskFolder();
  ~DiskFolder();

  DiskFolder(const DiskFolder&) = delete;
  DiskFolder& operator=(const DiskFolder&) = delete;

  const std::string& path() const { return path_; }

  // Takes what is in the folder's files out of the page cache, so that who reads them reads the disk.
  void DropFromCache() const;

 private:
  std::string path_ = "/var/tmp/errand_bench.XXXXXX";
  int alive_;  // A pipe; at its end the sweeper removes the folder.
  pid_t sweeper_;
};

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_DISK_FOLDER_H_
