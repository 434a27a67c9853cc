#ifndef ERRAND_CLIENT_CLI_VERBS_H_
#define ERRAND_CLIENT_CLI_VERBS_H_

#include "client/cli/session.h"
#include "errand/v1/tasks.pb.h"

// What each verb does with the server's answer. All return the exit code.
namespace errand::cli {

int Run(Session& session, const v1::CreateTaskRequest& request);
int Submit(Session& session, const v1::CreateTaskRequest& request);
int Get(Session& session);
int Wait(Session& session);
int Watch(Session& session);
int Cancel(Session& session);
int Health(Session& session);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_VERBS_H_
