#ifndef ERRAND_TESTS_CRASH_DATA_FOLDER_H_
#define ERRAND_TESTS_CRASH_DATA_FOLDER_H_

#include <string>

namespace errand {

// A folder of its own for a server's data. It is in memory where there is room: a start writes a segment of
// zeros and a spare, 64 MiB each, and a kill does not lose what a file system has taken.
class DataFolder {
 public:
  DataFolder();
  // Removes it, unless Keep was called.
  ~DataFolder();

  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;

  const std::string& path() const { return path_; }
  void Keep() { kept_ = true; }

  // Gives the blocks back that hold only the zeros at the end of a segment. The files' bytes stay the same.
  // No server runs.
  void ReleaseZeros() const;

 private:
  std::string path_;
  bool kept_ = false;
};

}  // namespace errand

#endif  // ERRAND_TESTS_CRASH_DATA_FOLDER_H_
