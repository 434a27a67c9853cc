#ifndef ERRAND_SERVER_SERVICE_SCRIPTS_SERVICE_H_
#define ERRAND_SERVER_SERVICE_SCRIPTS_SERVICE_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "errand/v1/scripts.grpc.pb.h"
#include "server/rpc/call.h"
#include "server/rpc/server.h"
#include "server/service/received.h"
#include "server/store/task_store.h"
#include "server/task/script.h"

namespace errand::service {

// Compiles a Lua source: what is wrong with it, nothing if it compiles; or UNAVAILABLE. Calls `done` exactly
// once, from any thread, within seconds. `source` is borrowed until it returns.
using Compiler =
    std::function<void(const std::string& source,
                       absl::AnyInvocable<void(absl::StatusOr<std::vector<task::ScriptProblem>>)> done)>;

// errand.v1.Scripts, over a store.
class ScriptsService {
 public:
  // `store` is borrowed and must outlive the server's calls. `compile` may be null: then nothing is compiled,
  // and nothing registered.
  ScriptsService(store::TaskStore* store, Compiler compile);
  ~ScriptsService();

  // Before the server starts.
  void Register(rpc::Server& server);

  // Once it has started, before it runs.
  void Arm(rpc::Server& server);

 private:
  using Grpc = ReceivingService<v1::Scripts::AsyncService>;
  // Each of these describes a method, see store_call.h.
  struct GetMethod;
  struct ListMethod;
  struct DeleteMethod;

  rpc::Call CreateScript(rpc::Loop& loop);
  rpc::Call ValidateScript(rpc::Loop& loop);
  // Starts to compile; on a server that cannot, `done` is told so at once.
  void Compile(const std::string& source,
               absl::AnyInvocable<void(absl::StatusOr<std::vector<task::ScriptProblem>>)> done);

  store::TaskStore* const store_;
  const Compiler compile_;
  Grpc grpc_;
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_SCRIPTS_SERVICE_H_
