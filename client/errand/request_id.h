#ifndef ERRAND_REQUEST_ID_H_
#define ERRAND_REQUEST_ID_H_

#include <string>

namespace errand {

// A new UUID, version 4 (RFC 4122), for `CreateTaskRequest.request_id`. Any thread.
std::string NewRequestId();

}  // namespace errand

#endif  // ERRAND_REQUEST_ID_H_
