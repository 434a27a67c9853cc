#include "tests/bench/bare_sync.h"

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "tests/bench/disk_folder.h"
#include "tests/bench/failure.h"
#include "tests/bench/process_usage.h"

namespace errand::bench {
namespace {

constexpr size_t kFileBytes = 16 << 20;
constexpr size_t kBlockBytes = 4 << 10;

void Write(int file, const std::string& bytes, size_t offset) {
  const ssize_t written = pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  if (written != static_cast<ssize_t>(bytes.size()) || fdatasync(file) != 0) {
    Fail("the disk cannot be written");
  }
}

}  // namespace

Measurement MeasureBareSync(absl::Duration duration) {
  const DiskFolder folder;
  const int file = open((folder.path() + "/file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) Fail("no file can be made in /var/tmp");
  Write(file, std::string(kFileBytes, '\0'), 0);
  const std::string block(kBlockBytes, 'x');
  std::vector<float> values;
  size_t offset = 0;
  const ProcessUsage before = UsageOf(getpid());
  const absl::Time start = absl::Now();
  while (absl::Now() < start + duration) {
    const absl::Time begin = absl::Now();
    Write(file, block, offset);
    values.push_back(static_cast<float>(absl::ToDoubleMicroseconds(absl::Now() - begin)));
    offset = (offset + block.size()) % kFileBytes;
  }
  const ProcessUsage used = UsageOf(getpid()) - before;
  const auto syncs = static_cast<double>(values.size());
  Measurement measured;
  measured.items_per_second = syncs / absl::ToDoubleSeconds(absl::Now() - start);
  measured.p50_us = Percentile(values, 0.5);
  measured.p99_us = Percentile(values, 0.99);
  measured.server_cpu_us = absl::ToDoubleMicroseconds(used.cpu) / syncs;
  measured.written_bytes = static_cast<double>(used.written_bytes) / syncs;
  close(file);
  return measured;
}

}  // namespace errand::bench
