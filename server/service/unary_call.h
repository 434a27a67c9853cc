#ifndef ERRAND_SERVER_SERVICE_UNARY_CALL_H_
#define ERRAND_SERVER_SERVICE_UNARY_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_unary_call.h>

#include "server/service/received.h"

namespace errand::service {

// Answers with `response`, or with the error.
template <class Response>
void Finish(grpc::ServerAsyncResponseWriter<Response>& writer, const Response& response,
            const grpc::Status& status, void* tag) {
  if (status.ok()) {
    writer.Finish(response, status, tag);
  } else {
    writer.FinishWithError(status, tag);
  }
}

// What a unary call's coroutine keeps in its frame.
template <class Request, class Response>
struct UnaryCall {
  void Finish(const grpc::Status& status, void* tag) { service::Finish(writer, response, status, tag); }

  grpc::ServerContext context;
  Request request;
  Received<Request> received{request};
  Response response;
  grpc::ServerAsyncResponseWriter<Response> writer{&context};
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_UNARY_CALL_H_
