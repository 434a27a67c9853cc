#ifndef ERRAND_CLIENT_CLI_TASK_CARD_H_
#define ERRAND_CLIENT_CLI_TASK_CARD_H_

#include <string>

#include "client/cli/terminal.h"
#include "errand/v1/task.pb.h"

namespace errand::cli {

// A task for people: a line a fact, "state     running". Free of control characters but the colours of
// `terminal`. Times are local.
std::string TaskCard(const v1::Task& task, const Terminal& terminal);

// What the mail server said: a line a recipient, "accepted  ada@example.com  250 2.1.5 Ok".
std::string RecipientRows(const v1::EmailReceipt& receipt);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_TASK_CARD_H_
