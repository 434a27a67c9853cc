#ifndef ERRAND_CLIENT_CLI_QUEUE_CARD_H_
#define ERRAND_CLIENT_CLI_QUEUE_CARD_H_

#include <string>

#include "client/cli/table.h"
#include "errand/v1/queues.pb.h"

// Queues for people. All free of control characters.
namespace errand::cli {

// A queue and those of its settings that have been made.
std::string QueueCard(const v1::Queue& queue);

// What a queue holds, and its rates.
std::string StatsCard(const v1::QueueStats& stats);

// A table of queues, and a row of it.
Table QueueTable();
std::vector<Table::Cell> QueueRow(const v1::Queue& queue);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_QUEUE_CARD_H_
