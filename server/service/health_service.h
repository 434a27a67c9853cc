#ifndef ERRAND_SERVER_SERVICE_HEALTH_SERVICE_H_
#define ERRAND_SERVER_SERVICE_HEALTH_SERVICE_H_

#include <map>
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

// grpc.health.v1.Health on our own queues. Knows the whole server (the empty name), the services it was made
// with, and `readiness` and `liveness`. All are SERVING until SetNotServing; but while nothing new is taken
// the whole server and those services whose calls create something are not. For whoever sends calls, or ends
// a server that does not work, that is no reason: a full disk can be read, and gets space by what is deleted.
class HealthService {
 public:
  // `creating`: those of the services whose calls create something.
  HealthService(std::vector<std::string> services, std::vector<std::string> creating);
  ~HealthService();

  // Before the server starts.
  void Register(rpc::Server& server);
  // Once it has started, before it runs.
  void Arm(rpc::Server& server);

  // From now on, for good. Any thread.
  void SetNotServing();
  // Whether anything new is taken. Any thread.
  void SetTakesNew(bool takes_new);
  // Ends the watches that are open with UNAVAILABLE. Once. Any thread.
  void EndStreams();

 private:
  using ServingStatus = grpc::health::v1::HealthCheckResponse::ServingStatus;
  using StatusMailbox = rpc::Mailbox<ServingStatus>;

  rpc::Call Check(rpc::Loop& loop);
  rpc::Call Watch(rpc::Loop& loop);
  bool Knows(const std::string& service) const { return services_.count(service) > 0; }
  ServingStatus StatusOf(const std::string& service) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Tells the watchers.
  void StatusChanged() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::set<std::string> services_;
  const std::set<std::string> creating_;
  grpc::health::v1::Health::AsyncService grpc_;
  absl::flat_hash_map<rpc::Loop*, std::unique_ptr<OpenStreams>> streams_;  // Constant once armed.

  absl::Mutex mu_;
  bool serving_ ABSL_GUARDED_BY(mu_) = true;
  bool takes_new_ ABSL_GUARDED_BY(mu_) = true;
  std::map<std::shared_ptr<StatusMailbox>, std::string> watchers_ ABSL_GUARDED_BY(mu_);  // What they watch.
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_HEALTH_SERVICE_H_
