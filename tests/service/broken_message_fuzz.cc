// Whatever a client sends is explained: a libFuzzer entry, which broken_message_test.cc calls with random
// bytes, too.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "errand/v1/tasks.pb.h"
#include "google/rpc/error_details.pb.h"
#include "server/service/broken_message.h"
#include "server/task/errors.h"
#include "text/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto* type :
       {errand::v1::BatchCreateTasksRequest::descriptor(), errand::v1::RunTaskRequest::descriptor()}) {
    const absl::Status status = errand::service::ExplainBroken(*type, bytes);
    if (!absl::IsInvalidArgument(status)) std::abort();
    // It goes into the trailers of a call, as text.
    const google::rpc::Status proto = errand::task::ToProto(status);
    if (proto.ByteSizeLong() > 4096 || !errand::text::IsUtf8(proto.message())) std::abort();
  }
  return 0;
}
