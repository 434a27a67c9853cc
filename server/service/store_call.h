#ifndef ERRAND_SERVER_SERVICE_STORE_CALL_H_
#define ERRAND_SERVER_SERVICE_STORE_CALL_H_

#include <optional>

#include "absl/status/status.h"
#include "server/rpc/call.h"
#include "server/rpc/reply.h"
#include "server/service/status.h"
#include "server/service/unary_call.h"
#include "server/service/unread_answers.h"
#include "server/store/task_store.h"

namespace errand::service {

// Serves a unary method that is one call of the store, again and again. `Method` has
//   Request, Response                        messages
//   Answer                                   what the store's callback takes
//   absl::Status Check(const Request&)       whether the request is valid
//   void Ask(store::TaskStore&, Request&, store::Callback<Answer>)
//   absl::Status Take(const Request&, Answer, Response&)
//                                            makes the response, or says why there is none
// `unread` counts the answers; null where these are small.
template <class Method, class Grpc>
rpc::Call ServeStoreCall(Grpc& grpc, rpc::Loop& loop, store::TaskStore& store,
                         UnreadAnswers* unread = nullptr) {
  UnaryCall<typename Method::Request, typename Method::Response> call;
  const bool accepted = co_await rpc::Operation(
      [&](void* tag) { grpc.AcceptUnary(call.context, call.received, call.writer, loop, tag); });
  if (!accepted) co_return;
  ServeStoreCall<Method>(grpc, loop, store, unread);

  absl::Status status = call.received.status;
  if (status.ok()) status = Method::Check(call.request);
  if (status.ok()) {
    rpc::Reply<typename Method::Answer> reply(loop);
    Method::Ask(store, call.request, reply.callback());
    typename Method::Answer answer = co_await reply;
    status = Method::Take(call.request, std::move(answer), call.response);
  }
  std::optional<UnreadAnswers::Held> held;
  if (status.ok() && unread != nullptr) {
    held.emplace(*unread, call.response.ByteSizeLong(), [&call] { call.context.TryCancel(); });
    status = held->status();
  }
  const grpc::Status grpc_status = ToGrpc(status);
  co_await rpc::Operation([&](void* tag) { call.Finish(grpc_status, tag); });
}

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_STORE_CALL_H_
