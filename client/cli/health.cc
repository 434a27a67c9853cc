#include <cstdio>

#include "client/cli/exit_code.h"
#include "client/cli/verbs.h"

namespace errand::cli {

int Health(Session& session) {
  const Arguments& arguments = session.arguments();
  const absl::StatusOr<bool> serving = session.client().IsServing(arguments.service, session.options());
  if (!serving.ok()) return session.Fail(serving.status());
  const char* word = *serving ? "SERVING" : "NOT_SERVING";
  std::printf(arguments.format == Format::kTable ? "%s\n" : "{\"status\":\"%s\"}\n", word);
  if (*serving) return kDone;
  std::fprintf(
      stderr,
      "errand: the server at %s takes no new calls now: it starts or shuts down, or its disk is full\n",
      arguments.server.c_str());
  return kUnavailable;
}

}  // namespace errand::cli
