// A config file of any bytes is read or refused, and what is read is read the same when it is written again:
// a libFuzzer entry, which config_file_test.cc calls with random bytes, too.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/config/config_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using errand::config::ParseConfigFile;
  const auto entries = ParseConfigFile({reinterpret_cast<const char*>(data), size});
  if (!entries.ok()) return 0;
  std::string again;
  for (const auto& entry : *entries) {
    absl::StrAppend(&again, entry.key, " = [");
    for (const std::string& value : entry.values) {
      absl::StrAppend(&again, errand::config::QuoteConfigValue(value), ",");
    }
    again += "]\n";
  }
  const auto read = ParseConfigFile(again);
  if (!read.ok() || read->size() != entries->size()) std::abort();
  for (size_t i = 0; i < read->size(); ++i) {
    if ((*read)[i].key != (*entries)[i].key || (*read)[i].values != (*entries)[i].values) std::abort();
  }
  return 0;
}
