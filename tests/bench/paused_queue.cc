#include "tests/bench/paused_queue.h"

#include "errand/v1/queues.grpc.pb.h"
#include "tests/bench/failure.h"
#include "tests/bench/load.h"

namespace errand::bench {

void PauseDefaultQueue(const ServerProcess& server) {
  grpc::ClientContext context;
  v1::PauseQueueRequest request;
  request.set_name("queues/default");
  v1::PauseQueueResponse response;
  const auto stub = v1::Queues::NewStub(Connect(server.address(), 1)[0]);
  const grpc::Status status = stub->PauseQueue(&context, request, &response);
  if (!status.ok()) Fail("PauseQueue: " + status.error_message());
}

}  // namespace errand::bench
