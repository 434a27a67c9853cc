#ifndef ERRAND_TESTS_END_TO_END_DATA_FOLDER_H_
#define ERRAND_TESTS_END_TO_END_DATA_FOLDER_H_

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace errand {

// An empty folder for a server's --data_dir, removed at the end.
class DataFolder {
 public:
  DataFolder() : path_((std::filesystem::temp_directory_path() / "errand-data-XXXXXX").string()) {
    if (mkdtemp(path_.data()) == nullptr) path_.clear();  // The server then refuses to start.
  }
  ~DataFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  DataFolder(const DataFolder&) = delete;
  DataFolder& operator=(const DataFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace errand

#endif  // ERRAND_TESTS_END_TO_END_DATA_FOLDER_H_
