#ifndef ERRAND_TESTS_CRASH_CLIENT_H_
#define ERRAND_TESTS_CRASH_CLIENT_H_

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "errand/v1/queues.grpc.pb.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "tests/crash/acknowledged_queue.h"
#include "tests/crash/acknowledged_task.h"
#include "tests/crash/kill.h"
#include "tests/crash/start_order.h"
#include "tests/crash/tally.h"
#include "tests/end_to_end/server_process.h"

namespace errand {

// Runs one task at a time.
inline constexpr char kSerialQueue[] = "queues/serial";

// What the server holds after a restart, as ListTasks told it.
struct Listing {
  std::vector<v1::Task> tasks;        // The client's own.
  std::map<std::string, int> traces;  // By submission: the last attempt that has left a task in kTracesQueue.
};

// One client of the server. It changes only tasks and a queue that it has made itself, one call after
// another, and writes down what was acknowledged. It is used by one thread at a time.
class Client {
 public:
  Client(int number, uint64_t seed);

  // For the server's next life.
  void Connect(const ServerProcess& server);
  // Before a stop: the server would wait for an idle connection.
  void Disconnect();
  // Calls of all kinds, until one is cut off. Now and then the kill comes from here, right behind an answer.
  void Load(Kill& kill);
  // Compares what the server holds, and decides what the kill has left open.
  void Check(const Listing& listing);
  // Waits for all tasks to end, and compares all that there is to know of them.
  void Settle();
  // After Settle: what ran since the last time, and then deletes most of it.
  std::vector<TaskRuns> TakeRuns();
  void DeleteMost();

  int number() const { return number_; }
  const std::map<int64_t, AcknowledgedTask>& tasks() const { return tasks_; }
  const Tally& tally() const { return tally_; }
  // Of the submission, `{client}-{number}`: it is in the task's payload, its labels and often its name.
  std::string SubmissionId(int64_t submission) const;

 private:
  using Tasks = std::map<int64_t, AcknowledgedTask>;  // By number of the submission.

  // Calls of the load.
  void Submit();
  void SubmitBatch();
  void SendAgain();
  void Run();
  void Look();
  void Wait();
  void Watch();
  void Cancel();
  void Retry();
  void Delete();
  void ChangeQueue();

  AcknowledgedTask& NewTask();
  // A random task that `fits`; end() if there is none.
  template <class Predicate>
  Tasks::iterator Pick(Predicate fits);
  int Random(int below) { return static_cast<int>(random_() % static_cast<uint64_t>(below)); }

  // Whether the answer came from the server. If not, the connection is lost.
  bool Answered(const grpc::Status& status);
  // The same for calls that the server cannot refuse.
  bool Accepted(const grpc::Status& status, const std::string& call, const AcknowledgedTask& about);
  bool Accepted(const grpc::Status& status, const std::string& call, const std::string& about);
  // What was just acknowledged must be safe by now.
  void KillOneTimeIn(int times);
  bool CallCreate(AcknowledgedTask& task);
  // Reads the task's events after `after_sequence`, at most for `patience`.
  bool ReadEvents(AcknowledgedTask& task, int64_t after_sequence, int64_t stop_after,
                  absl::Duration patience);
  bool LookAt(AcknowledgedTask& task);
  void CallUpdateQueue(v1::Queue wanted);
  void CallSetPaused(bool paused);
  void CallDelete(Tasks::iterator task, bool with_etag);
  void See(AcknowledgedTask& task, const v1::Task& answer);
  Tasks::iterator Forget(Tasks::iterator task);

  void CheckTasks(const Listing& listing);
  void CheckTraces(const Listing& listing) const;
  void CheckDeleted();
  void CheckQueue();
  void CheckEvents();

  const int number_;
  std::mt19937_64 random_;
  std::unique_ptr<v1::Tasks::Stub> tasks_stub_;
  std::unique_ptr<v1::Queues::Stub> queues_stub_;
  Kill* kill_ = nullptr;  // While there is load.
  bool lost_ = false;

  int64_t next_submission_ = 1;
  int64_t next_position_ = 1;
  Tasks tasks_;
  AcknowledgedQueue queue_;
  std::vector<std::vector<int64_t>> open_batches_;  // By number: all of a batch are there, or none.
  std::vector<AcknowledgedTask> deleted_;           // Since the last check.
  std::vector<TaskRuns> runs_;                      // Of tasks deleted since they were taken.
  Tally tally_;
};

}  // namespace errand

#endif  // ERRAND_TESTS_CRASH_CLIENT_H_
