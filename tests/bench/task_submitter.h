#ifndef ERRAND_TESTS_BENCH_TASK_SUBMITTER_H_
#define ERRAND_TESTS_BENCH_TASK_SUBMITTER_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "errand/v1/tasks.grpc.pb.h"

namespace errand::bench {

// `return 1` with so large a payload.
v1::CreateTaskRequest SmallScript(size_t payload_bytes);

// A SubmitTasks stream: frames of the same task again and again, which do not wait for the acknowledgements
// of those before. Send and Finish are called by one thread.
class TaskSubmitter {
 public:
  TaskSubmitter(const std::shared_ptr<grpc::Channel>& channel, v1::CreateTaskRequest request);
  ~TaskSubmitter();

  TaskSubmitter(const TaskSubmitter&) = delete;
  TaskSubmitter& operator=(const TaskSubmitter&) = delete;

  // A frame of 1 to 1000 tasks.
  void Send(int tasks);

  // Waits for every acknowledgement. Nothing may be sent any more.
  void Finish();

  // From now on latencies count.
  void Measure();
  // Of frames, from Send to the acknowledgement, in microseconds. They count no more.
  std::vector<float> TakeLatencies();

 private:
  using Stream = grpc::ClientReaderWriter<v1::SubmitTasksRequest, v1::SubmitTasksResponse>;

  void Read();

  const std::unique_ptr<v1::Tasks::Stub> stub_;
  const v1::CreateTaskRequest request_;
  grpc::ClientContext context_;
  const std::unique_ptr<Stream> stream_;
  v1::SubmitTasksRequest frame_;

  absl::Mutex mu_;
  std::deque<absl::Time> sent_ ABSL_GUARDED_BY(mu_);  // Of frames that are not acknowledged.
  bool finishing_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<float> latencies_ ABSL_GUARDED_BY(mu_);

  std::thread reader_;
};

}  // namespace errand::bench

#endif  // ERRAND_TESTS_BENCH_TASK_SUBMITTER_H_
