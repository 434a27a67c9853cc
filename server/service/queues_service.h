#ifndef ERRAND_SERVER_SERVICE_QUEUES_SERVICE_H_
#define ERRAND_SERVER_SERVICE_QUEUES_SERVICE_H_

#include "errand/v1/queues.grpc.pb.h"
#include "server/rpc/server.h"
#include "server/service/received.h"
#include "server/store/task_store.h"

namespace errand::service {

// errand.v1.Queues, over a store.
class QueuesService {
 public:
  // `store` is borrowed and must outlive the server's calls.
  explicit QueuesService(store::TaskStore* store);
  ~QueuesService();

  // Before the server starts.
  void Register(rpc::Server& server);

  // Once it has started, before it runs.
  void Arm(rpc::Server& server);

 private:
  using Grpc = ReceivingService<v1::Queues::AsyncService>;
  // Each of these describes a method, see store_call.h.
  struct GetMethod;
  struct ListMethod;
  struct UpdateMethod;
  struct PauseMethod;
  struct ResumeMethod;
  struct PurgeMethod;
  struct DeleteMethod;
  struct StatsMethod;

  store::TaskStore* const store_;
  Grpc grpc_;
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_QUEUES_SERVICE_H_
