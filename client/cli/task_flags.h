#ifndef ERRAND_CLIENT_CLI_TASK_FLAGS_H_
#define ERRAND_CLIENT_CLI_TASK_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace errand::cli {

// What `errand run` and `errand submit` were told about the task, before files are read.
struct TaskFlags {
  enum class Kind { kLua, kEmail, kJson };
  Kind kind = Kind::kLua;

  // Of every task. Empty or zero: not given.
  std::string queue;
  std::string id;
  std::string request_id;
  std::vector<std::string> labels;  // "key=value".
  int priority = 0;
  std::string ordering_key;
  std::string at;  // RFC 3339.
  absl::Duration delay;
  std::string expire_at;  // RFC 3339.
  absl::Duration ttl;
  absl::Duration run_timeout;
  int max_attempts = 0;

  // Kind::kLua.
  std::string script_file;  // "-" is standard input. Or:
  std::string script;       // The name of a registered script.
  std::string payload;      // The text itself, or @FILE.
  int64_t memory_bytes = 0;
  absl::Duration cpu_time;

  // Kind::kEmail. Bodies are the text itself, or @FILE.
  std::string from;
  std::vector<std::string> to;
  std::vector<std::string> cc;
  std::vector<std::string> bcc;
  std::string reply_to;
  std::string subject;
  std::string text;
  std::string html;
  std::vector<std::string> headers;      // "Name: value".
  std::vector<std::string> attachments;  // Paths.

  // Kind::kJson.
  std::string json_file;  // "-" is standard input.
};

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_TASK_FLAGS_H_
