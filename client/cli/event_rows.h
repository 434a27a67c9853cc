#ifndef ERRAND_CLIENT_CLI_EVENT_ROWS_H_
#define ERRAND_CLIENT_CLI_EVENT_ROWS_H_

#include <string>

#include "client/cli/terminal.h"
#include "errand/v1/task.pb.h"

namespace errand::cli {

// An event as aligned text, "SEQUENCE  TIME  EVENT  DETAIL" and a line feed; output and log lines of several
// lines give a row each. Free of control characters but the colours of `terminal`. Times are local. With
// `task_ids` the task's id stands first.
std::string EventRows(const v1::TaskEvent& event, const Terminal& terminal, bool task_ids);

// "succeeded" for TASK_STATE_SUCCEEDED.
std::string StateWord(v1::TaskState state);

// "LUA_ERROR: script:1: boom": the reason and the message, its lines kept.
std::string DescribeError(const google::rpc::Status& error);

// "application/json, 12 bytes", or how many recipients of an e-mail were accepted; empty when there is no
// result.
std::string DescribeResult(const v1::TaskResult& result);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_EVENT_ROWS_H_
