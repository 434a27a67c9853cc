#ifndef ERRAND_SERVER_SERVICE_TASKS_SERVICE_H_
#define ERRAND_SERVER_SERVICE_TASKS_SERVICE_H_

#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "server/clock/instant.h"
#include "server/rpc/call.h"
#include "server/rpc/server.h"
#include "server/service/intake.h"
#include "server/service/open_streams.h"
#include "server/service/queue_feed.h"
#include "server/service/received.h"
#include "server/service/source_checks.h"
#include "server/service/submitter.h"
#include "server/service/unread_answers.h"
#include "server/store/task_store.h"

namespace errand::service {

// errand.v1.Tasks, over a store.
class TasksService {
 public:
  // `store` is borrowed and must outlive the server's calls. `check_source` may be null. `max_unread_bytes`:
  // see UnreadAnswers.
  TasksService(store::TaskStore* store, SourceCheck check_source, int64_t max_unread_bytes);
  ~TasksService();

  // Before the server starts.
  void Register(rpc::Server& server);

  // Once it has started, before it runs.
  void Arm(rpc::Server& server);

  // Refuses new tasks and streams with UNAVAILABLE from now on, and ends streams of submissions once what
  // they have taken is acknowledged. Once. Any thread.
  void RefuseWork();

  // Ends the streams that are open with UNAVAILABLE, and waits for their end, until `deadline` at the latest.
  // After RefuseWork; once. Any thread but a loop's.
  //
  // The wait comes before the server's shutdown: that closes a connection behind its last stream, and where
  // the client sends at that moment, the system resets it and throws away what the client has not yet read.
  void EndStreams(clock::Instant deadline);

 private:
  using Grpc =
      ReceivingService<v1::Tasks::WithAsyncMethod_CreateTask<v1::Tasks::WithAsyncMethod_BatchCreateTasks<
          v1::Tasks::WithRawMethod_SubmitTasks<v1::Tasks::WithAsyncMethod_RunTask<
              v1::Tasks::WithAsyncMethod_GetTask<v1::Tasks::WithAsyncMethod_ListTasks<
                  v1::Tasks::WithAsyncMethod_WaitTask<v1::Tasks::WithAsyncMethod_WatchTask<
                      v1::Tasks::WithRawMethod_WatchQueue<v1::Tasks::WithAsyncMethod_CancelTask<
                          v1::Tasks::WithAsyncMethod_RetryTask<v1::Tasks::WithAsyncMethod_ReadResult<
                              v1::Tasks::WithAsyncMethod_DeleteTask<v1::Tasks::Service>>>>>>>>>>>>>>;

  // What belongs to one loop.
  struct PerLoop {
    PerLoop(rpc::Loop& loop, store::TaskStore& store)
        : submitter(loop, store), feeds(store, loop), streams(loop), submit_streams(loop) {}
    Submitter submitter;
    QueueFeeds feeds;
    OpenStreams streams;
    OpenStreams submit_streams;
  };
  // Each of these describes a method to a template.
  struct GetMethod;
  struct CancelMethod;
  struct RetryMethod;
  struct DeleteMethod;
  struct RunMethod;
  struct WatchMethod;

  // In tasks_service.cc.
  rpc::Call CreateTask(rpc::Loop& loop);
  rpc::Call BatchCreateTasks(rpc::Loop& loop);
  rpc::Call ListTasks(rpc::Loop& loop);
  PerLoop& Of(rpc::Loop& loop) { return *per_loop_.at(&loop); }

  // In tasks_service_streams.cc: the calls that wait for something to happen.
  void ArmStreams(rpc::Loop& loop);
  void ArmRareStreams(rpc::Loop& loop);
  rpc::Call SubmitTasks(rpc::Loop& loop);
  rpc::Call WaitTask(rpc::Loop& loop);
  // RunTask and WatchTask.
  template <class Method>
  rpc::Call Stream(rpc::Loop& loop);
  rpc::Call WatchQueue(rpc::Loop& loop);
  rpc::Call ReadResult(rpc::Loop& loop);

  store::TaskStore* const store_;
  const SourceCheck check_source_;
  Grpc grpc_;
  absl::flat_hash_map<rpc::Loop*, std::unique_ptr<PerLoop>> per_loop_;  // Constant once armed.
  Intake intake_;
  UnreadAnswers unread_;
};

}  // namespace errand::service

#endif  // ERRAND_SERVER_SERVICE_TASKS_SERVICE_H_
