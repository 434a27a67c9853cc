#include "server/task/name.h"

#include <array>
#include <cstdint>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/task/errors.h"
#include "server/task/limits.h"

namespace errand::task {
namespace {

constexpr absl::string_view kIdRule =
    "must be 1 to 63 characters of a-z, 0-9 and hyphen, starting and ending with a letter or digit";

constexpr std::array<bool, 256> IdCharacters() {
  std::array<bool, 256> valid{};
  for (unsigned char c = 'a'; c <= 'z'; ++c) valid[c] = true;
  for (unsigned char c = '0'; c <= '9'; ++c) valid[c] = true;
  valid['-'] = true;
  return valid;
}
constexpr std::array<bool, 256> kIdCharacters = IdCharacters();

bool IsId(absl::string_view id) {
  if (id.empty() || id.size() > kMaxIdBytes || id.front() == '-' || id.back() == '-') return false;
  // Without a jump for each character: a start looks at the names of all tasks.
  bool valid = true;
  for (const char c : id) valid &= kIdCharacters[static_cast<unsigned char>(c)];
  return valid;
}

// Takes `prefix` and the id behind it off the front.
bool ConsumeSegment(absl::string_view& name, absl::string_view prefix) {
  if (!absl::ConsumePrefix(&name, prefix)) return false;
  const absl::string_view id = name.substr(0, name.find('/'));
  name.remove_prefix(id.size());
  return IsId(id);
}

}  // namespace

absl::Status CheckId(absl::string_view id, absl::string_view field) {
  if (!IsId(id)) return InvalidField(field, kIdRule);
  return absl::OkStatus();
}

absl::Status CheckQueueName(absl::string_view name, absl::string_view field) {
  if (ConsumeSegment(name, "queues/") && name.empty()) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("must be queues/{queue}, where {queue} ", kIdRule));
}

absl::Status CheckTaskName(absl::string_view name, absl::string_view field) {
  if (ConsumeSegment(name, "queues/") && ConsumeSegment(name, "/tasks/") && name.empty()) {
    return absl::OkStatus();
  }
  return InvalidField(
      field, absl::StrCat("must be queues/{queue}/tasks/{task}, where {queue} and {task} ", kIdRule));
}

absl::Status CheckScriptName(absl::string_view name, absl::string_view field) {
  if (ConsumeSegment(name, "scripts/") && name.empty()) return absl::OkStatus();
  return InvalidField(field, absl::StrCat("must be scripts/{script}, where {script} ", kIdRule));
}

std::string ScriptName(absl::string_view script_id) { return absl::StrCat("scripts/", script_id); }

std::string TaskName(absl::string_view queue_name, absl::string_view task_id) {
  return absl::StrCat(queue_name, "/tasks/", task_id);
}

absl::string_view QueueOf(absl::string_view task_name) {
  return task_name.substr(0, task_name.find("/tasks/"));
}

std::string NewUid() {
  static thread_local absl::BitGen bits;
  static constexpr char kHex[] = "0123456789abcdef";
  uint64_t high = absl::Uniform<uint64_t>(bits);
  uint64_t low = absl::Uniform<uint64_t>(bits);
  high = (high & ~uint64_t{0xf000}) | 0x4000;                // Version 4.
  low = (low & ~(uint64_t{3} << 62)) | (uint64_t{2} << 62);  // Variant 10.
  std::string uid(36, '-');
  size_t at = 0;
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) ++at;
    const uint64_t word = nibble < 16 ? high : low;
    uid[at++] = kHex[(word >> (60 - 4 * (nibble % 16))) & 15];
  }
  return uid;
}

}  // namespace errand::task
