#ifndef ERRAND_CLIENT_CLI_OUTCOME_H_
#define ERRAND_CLIENT_CLI_OUTCOME_H_

#include <string>

#include "client/cli/arguments.h"
#include "errand/v1/task.pb.h"

namespace errand::cli {

// The exit code of a task that ended in `state`; says on standard error why it did not succeed.
int ReportEnd(const std::string& task, v1::TaskState state, const google::rpc::Status& error);

// Writes a task to standard output as `format` says.
void PrintTask(const v1::Task& task, Format format);

// Writes a result to standard output: its bytes as they are, or, on a terminal, without control characters
// and with a line feed at the end; the recipients of an e-mail as rows.
void PrintResult(const v1::TaskResult& result);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_OUTCOME_H_
