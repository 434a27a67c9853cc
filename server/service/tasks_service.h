#ifndef ERRAND_SERVER_SERVICE_TASKS_SERVICE_H_
#define ERRAND_SERVER_SERVICE_TASKS_SERVICE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "server/rpc/call.h"
#include "server/rpc/server.h"
#include "server/service/open_streams.h"
#include "server/service/submitter.h"
#include "server/store/task_store.h"

namespace errand::service {

// Says whether a Lua source compiles: INVALID_ARGUMENT naming `field` if not. Calls `done` exactly once,
// from any thread, soon: submissions wait for it.
using SourceCheck = std::function<void(std::string field, const std::string& source,
                                       absl::AnyInvocable<void(absl::Status)> done)>;

// errand.v1.Tasks, over a store.
class TasksService {
 public:
  // `store` is borrowed and must outlive the server's calls. `check_source` may be null.
  TasksService(store::TaskStore* store, SourceCheck check_source);
  ~TasksService();

  // Before the server starts.
  void Register(rpc::Server& server);

  // Once it has started, before it runs.
  void Arm(rpc::Server& server);

  // Refuses new tasks and streams with UNAVAILABLE from now on. Any thread.
  void RefuseWork();

  // Ends the streams that are open with UNAVAILABLE. After RefuseWork; once. Any thread.
  void EndStreams();

 private:
  // CreateTask, GetTask, CancelTask, RunTask, WaitTask and WatchTask are served here; the others fall
  // through to UnimplementedService.
  using Grpc = v1::Tasks::WithAsyncMethod_CreateTask<
      v1::Tasks::WithAsyncMethod_GetTask<v1::Tasks::WithAsyncMethod_CancelTask<
          v1::Tasks::WithAsyncMethod_RunTask<v1::Tasks::WithAsyncMethod_WaitTask<
              v1::Tasks::WithAsyncMethod_WatchTask<v1::Tasks::WithGenericMethod_BatchCreateTasks<
                  v1::Tasks::WithGenericMethod_SubmitTasks<v1::Tasks::WithGenericMethod_ListTasks<
                      v1::Tasks::WithGenericMethod_WatchQueue<v1::Tasks::WithGenericMethod_RetryTask<
                          v1::Tasks::WithGenericMethod_DeleteTask<v1::Tasks::Service>>>>>>>>>>>>;
  using Events = absl::StatusOr<store::EventBatch>;

  // What belongs to one loop.
  struct PerLoop {
    PerLoop(rpc::Loop& loop, store::TaskStore& store) : submitter(loop, store), streams(loop) {}
    Submitter submitter;
    OpenStreams<Events> streams;
  };
  struct RunMethod;
  struct WatchMethod;

  rpc::Call CreateTask(rpc::Loop& loop);
  rpc::Call GetTask(rpc::Loop& loop);
  rpc::Call CancelTask(rpc::Loop& loop);
  rpc::Call WaitTask(rpc::Loop& loop);
  // RunTask and WatchTask.
  template <class Method>
  rpc::Call Stream(rpc::Loop& loop);

  // Checks a request and makes a task of it; takes the task out of `request`. `path` is where `request`
  // stands in the call's message: empty, or "create.".
  absl::StatusOr<store::Submission> Prepare(v1::CreateTaskRequest& request, absl::string_view path) const;
  // Whether a prepared task's source has to be checked.
  bool MustCheckSource(const absl::StatusOr<store::Submission>& submission) const;
  PerLoop& Of(rpc::Loop& loop) { return *per_loop_.at(&loop); }

  store::TaskStore* const store_;
  const SourceCheck check_source_;
  Grpc grpc_;
  absl::flat_hash_map<rpc::Loop*, std::unique_ptr<PerLoop>> per_loop_;  // Constant once armed.
  std::atomic<bool> refusing_{false};
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_TASKS_SERVICE_H_
