#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "errand/v1/tasks.grpc.pb.h"
#include "tests/bench/failure.h"
#include "tests/bench/load.h"
#include "tests/bench/paused_queue.h"
#include "tests/bench/scenarios.h"

namespace errand::bench {
namespace {

constexpr int kPayloadBytes = 200;

using CreateTaskCaller = UnaryCaller<v1::Tasks::Stub, v1::CreateTaskRequest, v1::CreateTaskResponse>;

struct Contender {
  std::string name;
  std::vector<std::string> command;
  v1::CreateTaskRequest request;
  size_t answer_bytes = 0;
};

v1::CreateTaskRequest MakeRequest() {
  v1::CreateTaskRequest request;
  request.mutable_task()->mutable_lua()->set_source("return 1");
  request.mutable_task()->mutable_lua()->set_text(std::string(kPayloadBytes, 'x'));
  return request;
}

// The floor comes first: the others are compared with it.
std::vector<Contender> MakeContenders(const Options& options) {
  const std::string room = "--queue_max_tasks=100000000";
  const std::string bytes = "--queue_max_bytes=100000000000";
  v1::CreateTaskRequest later = MakeRequest();
  later.mutable_task()->mutable_schedule_time()->set_seconds(
      absl::ToUnixSeconds(absl::Now() + absl::Hours(24)));
  return {
      {"floor", {options.floor}, MakeRequest()},
      {"errandd", ErranddCommand(options, {"--lua_workers=1", room, bytes}), MakeRequest()},
      {"errandd, scheduled", ErranddCommand(options, {"--lua_workers=1", room, bytes}), later},
  };
}

size_t AnswerBytes(const ServerProcess& server, const v1::CreateTaskRequest& request) {
  grpc::ClientContext context;
  v1::CreateTaskResponse response;
  const auto stub = v1::Tasks::NewStub(Connect(server.address(), 1)[0]);
  const grpc::Status status = stub->CreateTask(&context, request, &response);
  if (!status.ok()) Fail("CreateTask: " + status.error_message());
  return response.ByteSizeLong();
}

}  // namespace

Table MeasureCreateTask(const Options& options) {
  Table table;
  table.name = "create_task";
  table.title = "CreateTask (Lua, payload of 200 bytes, memory store) against the floor";
  table.columns = {{"callers", "callers"},
                   {"server", "server"},
                   {"cpu_ratio", "CPU ratio", 2},
                   {"p50_ratio", "p50 ratio", 2},
                   {"p99_ratio", "p99 ratio", 2},
                   {"throughput_ratio", "calls/s ratio", 2},
                   {"server_cpu_us", "server CPU us/call", 1},
                   {"sandbox_cpu_us", "sandbox CPU us/call", 1},
                   {"calls_per_second", "calls/s"},
                   {"p50_us", "p50 us"},
                   {"p99_us", "p99 us"},
                   {"answer_bytes", "answer bytes"}};
  table.notes = {
      "floor: an empty completion-queue server with hand-written tags that answers with the same message",
      "errandd: its queue is paused, so that nothing runs; the source is known to be good after the first "
      "time",
      "scheduled: schedule_time a day ahead; the message is larger by that field",
      "goal: CPU ratio of errandd at most 1.5 with 64 callers"};
  for (const int callers : {1, 16, 64}) {
    std::vector<Contender> contenders = MakeContenders(options);
    std::vector<Rounds> rounds(contenders.size());
    for (int round = 0; round < options.rounds; ++round) {
      for (size_t i = 0; i < contenders.size(); ++i) {
        Contender& contender = contenders[i];
        const ServerProcess server(contender.command);  // A new one: with an empty store.
        if (i > 0) PauseDefaultQueue(server);
        contender.answer_bytes = AnswerBytes(server, contender.request);
        rounds[i].push_back(MeasureLoad(
            server, {callers, options.warm_up, options.duration}, [&contender](const auto& channel) {
              return std::make_unique<CreateTaskCaller>(v1::Tasks::NewStub(channel),
                                                        &v1::Tasks::Stub::AsyncCreateTask, contender.request);
            }));
      }
    }
    for (size_t i = 0; i < contenders.size(); ++i) {
      table.rows.push_back(
          {double(callers), contenders[i].name,
           MedianRatio(rounds[i], rounds[0], &Measurement::server_cpu_us),
           MedianRatio(rounds[i], rounds[0], &Measurement::p50_us),
           MedianRatio(rounds[i], rounds[0], &Measurement::p99_us),
           MedianRatio(rounds[i], rounds[0], &Measurement::items_per_second),
           Median(rounds[i], &Measurement::server_cpu_us), Median(rounds[i], &Measurement::sandbox_cpu_us),
           Median(rounds[i], &Measurement::items_per_second), Median(rounds[i], &Measurement::p50_us),
           Median(rounds[i], &Measurement::p99_us), double(contenders[i].answer_bytes)});
    }
  }
  return table;
}

}  // namespace errand::bench
