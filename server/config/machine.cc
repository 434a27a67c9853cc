#include "server/config/machine.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace errand::config {
namespace {

std::string Contents(const std::string& path) {
  std::ostringstream contents;
  contents << std::ifstream(path).rdbuf();
  return std::move(contents).str();
}

std::vector<std::string> Lines(const std::string& path) {
  return absl::StrSplit(Contents(path), '\n', absl::SkipEmpty());
}

// The words of a file's only line; none where it cannot be read.
std::vector<std::string> Words(const std::string& path) {
  return absl::StrSplit(Contents(path), absl::ByAnyChar(" \t\n"), absl::SkipEmpty());
}

std::optional<int64_t> Number(const std::vector<std::string>& words, size_t place) {
  int64_t number;
  if (place >= words.size() || !absl::SimpleAtoi(words[place], &number)) return std::nullopt;
  return number;
}

// Where a controller's files of this process's cgroup and of those above it are, from the lowest up.
// `controller` is a v1 one, or empty for v2 (proc(5), cgroups(7)).
std::vector<std::string> CgroupFolders(const std::string& root, const std::string& controller) {
  const auto has = [&](const std::string& list) {
    return absl::c_linear_search(std::vector<std::string>(absl::StrSplit(list, ',')), controller);
  };
  std::optional<std::string> own;  // As its hierarchy calls it.
  for (const std::string& line : Lines(absl::StrCat(root, "/proc/self/cgroup"))) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() == 3 && has(fields[1])) own = fields[2];
  }
  if (!own.has_value()) return {};
  for (const std::string& line : Lines(absl::StrCat(root, "/proc/self/mountinfo"))) {
    // ID PARENT DEVICE ROOT MOUNT_POINT OPTIONS [TAG]... - TYPE SOURCE SUPER_OPTIONS
    const std::vector<std::string> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
    if (halves.size() != 2) continue;
    const std::vector<std::string> mount = absl::StrSplit(halves[0], ' ');
    const std::vector<std::string> system = absl::StrSplit(halves[1], ' ');
    if (mount.size() < 5 || system.size() < 3) continue;
    if (controller.empty() ? system[0] != "cgroup2" : system[0] != "cgroup" || !has(system[2])) continue;
    // In a container the mount's root is often the container's cgroup, and what lies above cannot be seen.
    const std::string top = mount[3] == "/" ? "" : mount[3];
    std::string below = absl::StartsWith(*own, absl::StrCat(top, "/")) ? own->substr(top.size()) : "";
    std::vector<std::string> folders;
    for (;;) {
      while (absl::EndsWith(below, "/")) below.pop_back();
      folders.push_back(absl::StrCat(root, mount[4], below));
      if (below.empty()) return folders;
      below.resize(below.rfind('/'));
    }
  }
  return {};
}

int64_t MemoryBytes(const std::string& root) {
  int64_t bytes = std::numeric_limits<int64_t>::max();
  const auto limit = [&bytes](std::optional<int64_t> to) {
    if (to.has_value() && *to > 0) bytes = std::min(bytes, *to);
  };
  for (const std::string& line : Lines(absl::StrCat(root, "/proc/meminfo"))) {
    const std::vector<std::string> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    if (words[0] != "MemTotal:") continue;
    const std::optional<int64_t> kib = Number(words, 1);
    if (kib.has_value()) limit(*kib << 10);
  }
  for (const std::string& folder : CgroupFolders(root, "")) {
    limit(Number(Words(folder + "/memory.max"), 0));
    limit(Number(Words(folder + "/memory.high"), 0));  // Above it a process hardly goes on.
  }
  for (const std::string& folder : CgroupFolders(root, "memory")) {
    limit(Number(Words(folder + "/memory.limit_in_bytes"), 0));
  }
  return bytes;
}

// How many CPUs this process may be scheduled on: its affinity, which a cpuset narrows.
int AllowedCpus(const std::string& root) {
  int cpus = 0;
  for (const std::string& line : Lines(absl::StrCat(root, "/proc/self/status"))) {
    absl::string_view list = line;
    if (!absl::ConsumePrefix(&list, "Cpus_allowed_list:")) continue;
    for (absl::string_view range : absl::StrSplit(absl::StripAsciiWhitespace(list), ',')) {
      const std::vector<std::string> ends = absl::StrSplit(range, '-');
      const std::optional<int64_t> first = Number(ends, 0);
      const std::optional<int64_t> last = Number(ends, ends.size() - 1);
      if (first.has_value() && last.has_value()) cpus += static_cast<int>(*last - *first + 1);
    }
  }
  return cpus > 0 ? cpus : static_cast<int>(std::thread::hardware_concurrency());
}

int Cpus(const std::string& root) {
  double cpus = AllowedCpus(root);
  const auto limit = [&cpus](std::optional<int64_t> quota, std::optional<int64_t> period) {
    if (quota.value_or(0) > 0 && period.value_or(0) > 0) {
      cpus = std::min(cpus, static_cast<double>(*quota) / static_cast<double>(*period));
    }
  };
  for (const std::string& folder : CgroupFolders(root, "")) {
    const std::vector<std::string> words = Words(folder + "/cpu.max");  // "max 100000" has no quota.
    limit(Number(words, 0), Number(words, 1));
  }
  for (const std::string& folder : CgroupFolders(root, "cpu")) {
    limit(Number(Words(folder + "/cpu.cfs_quota_us"), 0), Number(Words(folder + "/cpu.cfs_period_us"), 0));
  }
  return std::max(1, static_cast<int>(std::ceil(cpus)));
}

int64_t Descriptors(const std::string& root) {
  int64_t descriptors = Machine().descriptors;
  for (const std::string& line : Lines(absl::StrCat(root, "/proc/self/limits"))) {
    absl::string_view limits = line;
    if (!absl::ConsumePrefix(&limits, "Max open files")) continue;
    const std::vector<std::string> words = absl::StrSplit(limits, ' ', absl::SkipEmpty());
    descriptors = Number(words, 1).value_or(descriptors);  // After the soft one.
  }
  return descriptors;
}

}  // namespace

Machine ReadMachine(const std::string& root) { return {MemoryBytes(root), Cpus(root), Descriptors(root)}; }

}  // namespace errand::config
