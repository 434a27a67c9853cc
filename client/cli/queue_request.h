#ifndef ERRAND_CLIENT_CLI_QUEUE_REQUEST_H_
#define ERRAND_CLIENT_CLI_QUEUE_REQUEST_H_

#include "client/cli/queue_flags.h"
#include "errand/v1/queues.pb.h"

namespace errand::cli {

// The change that the flags describe; its mask names the settings that were given.
v1::UpdateQueueRequest BuildQueueRequest(const QueueFlags& flags);

}  // namespace errand::cli

#endif  // ERRAND_CLIENT_CLI_QUEUE_REQUEST_H_
