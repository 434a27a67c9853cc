#ifndef ERRAND_SERVER_SERVICE_HEALTH_SERVICE_H_
#define ERRAND_SERVER_SERVICE_HEALTH_SERVICE_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/rpc/call.h"
#include "server/rpc/mailbox.h"
#include "server/rpc/server.h"
#include "server/service/open_streams.h"

namespace errand::service {

// grpc.health.v1.Health on our own queues. Knows the whole server (the empty name) and the services it was
// made with; all share one status: SERVING until SetNotServing.
class HealthService {
 public:
  explicit HealthService(std::vector<std::string> services);
  ~HealthService();

  // Before the server starts.
  void Register(rpc::Server& server);
  // Once it has started, before it runs.
  void Arm(rpc::Server& server);

  // From now on, for good. Any thread.
  void SetNotServing();
  // Ends the watches that are open with UNAVAILABLE. Once. Any thread.
  void EndStreams();

 private:
  using ServingStatus = grpc::health::v1::HealthCheckResponse::ServingStatus;
  using StatusMailbox = rpc::Mailbox<ServingStatus>;

  rpc::Call Check(rpc::Loop& loop);
  rpc::Call Watch(rpc::Loop& loop);
  bool Knows(const std::string& service) const { return services_.count(service) > 0; }
  ServingStatus status();

  const std::set<std::string> services_;
  grpc::health::v1::Health::AsyncService grpc_;
  absl::flat_hash_map<rpc::Loop*, std::unique_ptr<OpenStreams>> streams_;  // Constant once armed.

  absl::Mutex mu_;
  ServingStatus status_ ABSL_GUARDED_BY(mu_) = grpc::health::v1::HealthCheckResponse::SERVING;
  std::set<std::shared_ptr<StatusMailbox>> watchers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_HEALTH_SERVICE_H_
