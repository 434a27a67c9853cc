#include "client/cli/each_task.h"
#include "client/cli/verbs.h"

namespace errand::cli {

int Retry(Session& session) {
  return ForEachTask(session, [&session](const std::string& name) {
    return session.client().Retry(name, session.options());
  });
}

}  // namespace errand::cli
