#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "errand/v1/queues.grpc.pb.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "tests/bench/failure.h"
#include "tests/bench/load.h"
#include "tests/bench/scenarios.h"
#include "tests/bench/task_submitter.h"

namespace errand::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kQueue[] = "queues/default";
constexpr int kFrame = 250;
constexpr int64_t kMaxOutstanding = 2'000;

// So many WatchQueue streams, whose frames are counted and not parsed: their readers' time is not the
// server's.
class QueueWatchers {
 public:
  QueueWatchers(const std::string& address, int count) : channels_(Connect(address, ConnectionsFor(count))) {
    v1::WatchQueueRequest request;
    request.set_parent(kQueue);
    bool own;
    (void)grpc::SerializationTraits<v1::WatchQueueRequest>::Serialize(request, &request_, &own);
    for (const auto& channel : channels_) stubs_.push_back(std::make_unique<grpc::GenericStub>(channel));
    for (int i = 0; i < count; ++i) {
      streams_.push_back(std::make_unique<Stream>());
      Stream& stream = *streams_.back();
      grpc::GenericStub& stub = *stubs_[static_cast<size_t>(i) % stubs_.size()];
      stream.io = stub.PrepareCall(&stream.context, "/errand.v1.Tasks/WatchQueue", &queue_);
      stream.io->StartCall(&stream);
    }
    // Each is there once its first frame has come.
    while (watching_ < count) Next();
    thread_ = std::thread([this] {
      while (Next()) {
      }
    });
  }

  ~QueueWatchers() {
    for (const auto& stream : streams_) stream->context.TryCancel();
    while (ended_ < static_cast<int>(streams_.size())) std::this_thread::yield();
    queue_.Shutdown();
    thread_.join();
  }

  int64_t bytes() const { return bytes_; }
  int64_t frames() const { return frames_; }
  int ended() const { return ended_; }

 private:
  enum class Step { kStart, kWrite, kRead, kFinish };
  struct Stream {
    grpc::ClientContext context;
    grpc::ByteBuffer frame;
    grpc::Status status;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> io;
    Step step = Step::kStart;
    bool watches = false;
  };

  bool Next() {
    void* tag;
    bool ok;
    if (!queue_.Next(&tag, &ok)) return false;
    Stream& stream = *static_cast<Stream*>(tag);
    if (stream.step == Step::kFinish) {
      ++ended_;
    } else if (!ok) {
      stream.step = Step::kFinish;
      stream.io->Finish(&stream.status, &stream);
    } else if (stream.step == Step::kStart) {
      stream.step = Step::kWrite;
      stream.io->WriteLast(request_, grpc::WriteOptions(), &stream);
    } else {
      if (stream.step == Step::kRead) {
        if (!std::exchange(stream.watches, true)) ++watching_;
        ++frames_;
        bytes_ += static_cast<int64_t>(stream.frame.Length());
      }
      stream.step = Step::kRead;
      stream.io->Read(&stream.frame, &stream);
    }
    return true;
  }

  const std::vector<std::shared_ptr<grpc::Channel>> channels_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  grpc::ByteBuffer request_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Stream>> streams_;
  int watching_ = 0;
  std::atomic<int64_t> bytes_{0};
  std::atomic<int64_t> frames_{0};
  std::atomic<int> ended_{0};
  std::thread thread_;
};

int64_t Succeeded(v1::Queues::Stub& stub) {
  grpc::ClientContext context;
  v1::GetQueueStatsRequest request;
  request.set_name(kQueue);
  v1::GetQueueStatsResponse response;
  const grpc::Status status = stub.GetQueueStats(&context, request, &response);
  if (!status.ok()) Fail("GetQueueStats: " + status.error_message());
  const auto& counts = response.stats().tasks_by_state();
  const auto count = counts.find("TASK_STATE_SUCCEEDED");
  return count == counts.end() ? 0 : count->second;
}

struct Figures {
  Measurement load;
  double megabytes_per_second = 0;
  double lost = 0;  // Watchers that could not keep up.
};

Figures MeasureOnce(const Options& options, int count) {
  const ServerProcess server(ErranddCommand(options, {"--max_ended_tasks=100000000"}));
  const auto channel = Connect(server.address(), 1)[0];
  const auto queues = v1::Queues::NewStub(channel);
  const QueueWatchers watchers(server.address(), count);
  TaskSubmitter submitter(channel, SmallScript(0));
  int64_t sent = 0;
  const auto run_for = [&](absl::Duration duration) {
    const int64_t before = Succeeded(*queues);
    const auto end = Clock::now() + absl::ToChronoNanoseconds(duration);
    int64_t ended = before;
    while (Clock::now() < end) {
      for (; sent - ended < kMaxOutstanding; sent += kFrame) submitter.Send(kFrame);
      ended = Succeeded(*queues);
    }
    return ended - before;
  };
  (void)run_for(options.warm_up);
  const CpuTime cpu_before = server.Cpu();
  const int64_t bytes_before = watchers.bytes();
  const auto start = Clock::now();
  const auto tasks = static_cast<double>(run_for(options.duration));
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  Figures figures;
  figures.load.items_per_second = tasks / seconds;
  figures.load.server_cpu_us = absl::ToDoubleMicroseconds((server.Cpu() - cpu_before).server) / tasks;
  figures.megabytes_per_second = static_cast<double>(watchers.bytes() - bytes_before) / seconds / 1e6;
  figures.lost = watchers.ended();
  submitter.Finish();
  return figures;
}

}  // namespace

Table MeasureQueueWatch(const Options& options) {
  Table table;
  table.name = "queue_watch";
  table.title = "WatchQueue: tasks of `return 1` in a queue that so many watch";
  table.columns = {{"watchers", "watchers"},
                   {"tasks_per_second", "tasks/s"},
                   {"ratio", "of those unwatched", 2},
                   {"server_cpu_us", "server CPU us/task", 1},
                   {"megabytes_per_second", "MB/s to watchers", 1},
                   {"lost", "watchers too slow"}};
  table.notes = {"a watcher that is further behind than the server keeps events is told so, and ends"};
  Rounds unwatched;
  for (const int watchers : {0, 1, 100, 1'000}) {
    Rounds rounds;
    double megabytes = 0;
    double lost = 0;
    for (int round = 0; round < options.rounds; ++round) {
      const Figures figures = MeasureOnce(options, watchers);
      rounds.push_back(figures.load);
      megabytes += figures.megabytes_per_second / options.rounds;
      lost += figures.lost / options.rounds;
    }
    if (watchers == 0) unwatched = rounds;
    table.rows.push_back({double(watchers), Median(rounds, &Measurement::items_per_second),
                          MedianRatio(rounds, unwatched, &Measurement::items_per_second),
                          Median(rounds, &Measurement::server_cpu_us), megabytes, lost});
  }
  return table;
}

}  // namespace errand::bench
