#include "server/rpc/grpc_log.h"

#include <grpc/support/log.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/rpc/throttled_log.h"

namespace errand::rpc {
namespace {

constexpr int kLinesASecond = 3;

// What gRPC calls an error is one of a connection, not of the server.
ThrottledLog::Level LevelOf(gpr_log_severity severity) {
  switch (severity) {
    case GPR_LOG_SEVERITY_DEBUG:
      return ThrottledLog::Level::kDebug;
    case GPR_LOG_SEVERITY_INFO:
      return ThrottledLog::Level::kInfo;
    case GPR_LOG_SEVERITY_ERROR:
      break;
  }
  return ThrottledLog::Level::kWarning;
}

void Write(gpr_log_func_args* line) {
  static ThrottledLog& log = *new ThrottledLog(kLinesASecond);  // gRPC's threads may outlive static objects.
  absl::string_view file(line->file);
  file.remove_prefix(file.rfind('/') + 1);  // Nothing, without a slash.
  log.Write(LevelOf(line->severity), absl::StrCat("gRPC: ", line->message, " (", file, ":", line->line, ")"));
}

}  // namespace

void TakeGrpcLog() { gpr_set_log_function(&Write); }

}  // namespace errand::rpc
