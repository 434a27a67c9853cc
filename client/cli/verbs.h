#ifndef ERRAND_CLIENT_CLI_VERBS_H_
#define ERRAND_CLIENT_CLI_VERBS_H_

#include <string>

#include "client/cli/line_reader.h"
#include "client/cli/session.h"
#include "errand/v1/tasks.pb.h"

// What each verb does with the server's answer. All return the exit code.
namespace errand::cli {

int Run(Session& session, const v1::CreateTaskRequest& request);
int Submit(Session& session, const v1::CreateTaskRequest& request);
int SubmitBatch(Session& session, LineReader& lines);
int Get(Session& session);
int List(Session& session);
int Wait(Session& session);
int Watch(Session& session);
int WatchQueue(Session& session);
int Cancel(Session& session);
int Retry(Session& session);
int Delete(Session& session);
int QueueList(Session& session);
int QueueGet(Session& session);
int QueueSet(Session& session);
int QueuePause(Session& session);
int QueueResume(Session& session);
int QueuePurge(Session& session);
int QueueDelete(Session& session);
int QueueStats(Session& session);
// Both take the file's content.
int ScriptCreate(Session& session, const std::string& source);
int ScriptValidate(Session& session, const std::string& source);
int ScriptGet(Session& session);
int ScriptList(Session& session);
int ScriptDelete(Session& session);
int AdminDump(Session& session);
int Health(Session& session);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_VERBS_H_
