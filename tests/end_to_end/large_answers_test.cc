// Clients with gRPC's defaults, which take 4 MiB in a message, beside tasks that are larger.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "errand/client.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"
#include "tests/paths/paths.h"

namespace errand {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Le;

constexpr size_t kDefaultLimit = 4 << 20;

// A script whose result has so many bytes.
v1::CreateTaskRequest LargeResult(size_t bytes) {
  v1::CreateTaskRequest request =
      LuaRequest(absl::StrCat("return ('0123456789abcdef'):rep(", bytes / 16, ")"));
  request.mutable_task()->mutable_limits()->set_output_bytes(64 << 20);
  request.mutable_task()->mutable_limits()->set_memory_bytes(512 << 20);
  return request;
}

std::string Repeated(size_t bytes) {
  std::string text;
  text.reserve(bytes);
  while (text.size() < bytes) text += "0123456789abcdef";
  return text;
}

// Reads a result piece by piece.
struct ReadResult {
  grpc::Status status;
  v1::TaskResult result;
  std::vector<size_t> message_bytes;
};
ReadResult Read(const ServerProcess& server, const std::string& name) {
  ReadResult read;
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::ReadResultRequest request;
  request.set_name(name);
  auto reader = server.tasks().ReadResult(&context, request);
  v1::ReadResultResponse response;
  std::string data;
  int64_t data_bytes = -1;
  while (reader->Read(&response)) {
    read.message_bytes.push_back(response.ByteSizeLong());
    data += response.piece().data();
    response.mutable_piece()->clear_data();
    read.result.MergeFrom(response.piece());
    data_bytes = response.data_bytes();
  }
  read.status = reader->Finish();
  if (read.status.ok()) {
    EXPECT_EQ(data_bytes, static_cast<int64_t>(data.size()));
  }
  read.result.set_data(std::move(data));
  return read;
}

TEST(LargeAnswers, ATaskThatIsTooLargeSaysHowToAskForLess) {
  ServerProcess server;
  constexpr size_t kBytes = 5 << 20;
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), LargeResult(kBytes), &task).ok());
  const std::string name = task.name();

  const grpc::Status waited = Wait(server.tasks(), name, 30'000, &task);
  const grpc::Status got = Get(server.tasks(), name, &task);
  for (const grpc::Status& status : {waited, got}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
    EXPECT_EQ(ReasonOf(status), "ANSWER_TOO_LARGE");
    EXPECT_THAT(status.error_message(),
                AllOf(HasSubstr("view"), HasSubstr("read_mask"), HasSubstr("ReadResult")));
  }

  v1::GetTaskRequest request;
  v1::GetTaskResponse response;
  request.set_name(name);
  request.set_view(v1::TASK_VIEW_BASIC);
  EXPECT_TRUE(Call(server.tasks(), &v1::Tasks::Stub::GetTask, request, &response).ok());
  EXPECT_EQ(response.task().state(), v1::TASK_STATE_SUCCEEDED);

  request.set_view(v1::TASK_VIEW_FULL);
  request.mutable_read_mask()->add_paths("lua.source");
  request.mutable_read_mask()->add_paths("result.content_type");
  ASSERT_TRUE(Call(server.tasks(), &v1::Tasks::Stub::GetTask, request, &response).ok());
  EXPECT_EQ(response.task().result().content_type(), "text/plain; charset=utf-8");
  EXPECT_TRUE(response.task().result().data().empty());
  EXPECT_THAT(response.task().lua().source(), HasSubstr("rep"));
  EXPECT_EQ(response.task().state(), v1::TASK_STATE_UNSPECIFIED) << "not asked for";

  v1::WaitTaskRequest wait;
  v1::WaitTaskResponse answer;
  wait.set_name(name);
  wait.mutable_read_mask()->add_paths("state");
  ASSERT_TRUE(Call(server.tasks(), &v1::Tasks::Stub::WaitTask, wait, &answer).ok());
  EXPECT_EQ(answer.task().state(), v1::TASK_STATE_SUCCEEDED);

  const ReadResult read = Read(server, name);
  ASSERT_TRUE(read.status.ok()) << read.status.error_message();
  EXPECT_EQ(read.result.content_type(), "text/plain; charset=utf-8");
  EXPECT_TRUE(read.result.data() == Repeated(kBytes));
  EXPECT_THAT(read.message_bytes, Each(Le(size_t{1} << 20)));

  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  const auto stub = v1::Tasks::NewStub(
      grpc::CreateCustomChannel(server.address(), grpc::InsecureChannelCredentials(), arguments));
  request.clear_read_mask();
  request.set_max_bytes(8 << 20);
  ASSERT_TRUE(Call(*stub, &v1::Tasks::Stub::GetTask, request, &response).ok());
  EXPECT_TRUE(response.task().result().data() == Repeated(kBytes));
}

TEST(LargeAnswers, WhatAMaskAsksForMustBeThere) {
  ServerProcess server;
  v1::GetTaskRequest request;
  v1::GetTaskResponse response;
  request.set_name("queues/default/tasks/t");
  for (const std::string path : {"nonsense", "lua.", "", "labels.x", "result.data.x", "attempts.number"}) {
    request.mutable_read_mask()->clear_paths();
    request.mutable_read_mask()->add_paths(path);
    EXPECT_EQ(FieldOf(Call(server.tasks(), &v1::Tasks::Stub::GetTask, request, &response)), "read_mask")
        << path;
  }
  request.clear_read_mask();
  request.set_max_bytes(-1);
  EXPECT_EQ(FieldOf(Call(server.tasks(), &v1::Tasks::Stub::GetTask, request, &response)), "max_bytes");
}

TEST(LargeAnswers, AResultThatIsNotThereGivesOnePiece) {
  ServerProcess server;
  const Ran ran = RunToEnd(server.tasks(), LuaRequest("return nil"));
  const ReadResult read = Read(server, ran.events.at(0).task());
  EXPECT_TRUE(read.status.ok());
  EXPECT_EQ(read.message_bytes.size(), 1u);
  EXPECT_EQ(read.result.ByteSizeLong(), 0u);
  EXPECT_EQ(Read(server, "queues/default/tasks/none").status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(FieldOf(Read(server, "none").status), "name");
}

TEST(LargeAnswers, StreamsGoOnBehindAResultThatIsTooLarge) {
  ServerProcess server;
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::WatchQueueRequest watch;
  watch.set_parent("queues/default");
  auto queue = server.tasks().WatchQueue(&context, watch);
  v1::WatchQueueResponse frame;
  ASSERT_TRUE(queue->Read(&frame));

  const Ran large = RunToEnd(server.tasks(), LargeResult(6 << 20));
  ASSERT_TRUE(large.status.ok()) << large.status.error_message();
  EXPECT_EQ(large.end.state(), v1::TASK_STATE_SUCCEEDED) << large.end.error().message();
  EXPECT_TRUE(large.end.result_left_out());
  EXPECT_FALSE(large.end.has_result());
  const Ran small = RunToEnd(server.tasks(), LuaRequest("return 'small'"));
  EXPECT_FALSE(small.end.result_left_out());

  int left_out = 0;
  std::string last;
  while (last != "small" && queue->Read(&frame)) {
    for (const auto& event : frame.events()) {
      if (event.state().result_left_out()) ++left_out;
      if (event.state().has_result()) last = event.state().result().data();
    }
  }
  EXPECT_EQ(left_out, 1);
  EXPECT_EQ(last, "small");
  context.TryCancel();

  grpc::ClientContext again;
  SetTestDeadline(again);
  v1::WatchTaskRequest task;
  task.set_name(large.events.at(0).task());
  auto events = server.tasks().WatchTask(&again, task);
  v1::WatchTaskResponse response;
  bool flagged = false;
  while (events->Read(&response))
    flagged |= response.events(response.events_size() - 1).state().result_left_out();
  EXPECT_TRUE(events->Finish().ok());
  EXPECT_TRUE(flagged);
}

// More than a client takes in a message, and less than the server keeps of a task's events.
TEST(LargeAnswers, FramesOfManyLargeEventsFit) {
  ServerProcess server;
  v1::CreateTaskRequest request =
      LuaRequest("local line = ('x'):rep(900000) for i = 1, 12 do print(line) end");
  request.mutable_task()->mutable_limits()->set_output_bytes(64 << 20);
  const Ran ran = RunToEnd(server.tasks(), request);
  ASSERT_TRUE(ran.status.ok()) << ran.status.error_message();
  EXPECT_EQ(ran.end.state(), v1::TASK_STATE_SUCCEEDED) << ran.end.error().message();
  size_t bytes = 0;
  for (const auto& event : ran.events) bytes += event.output().data().size();
  EXPECT_EQ(bytes, 12u * 900'001);

  // The same once all are there at the same time.
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::WatchTaskRequest watch;
  watch.set_name(ran.events.at(0).task());
  auto reader = server.tasks().WatchTask(&context, watch);
  v1::WatchTaskResponse response;
  size_t events = 0;
  while (reader->Read(&response)) events += static_cast<size_t>(response.events_size());
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(events, ran.events.size());
}

TEST(LargeAnswers, OneLineThatIsTooLargeForAFrameStillArrives) {
  ServerProcess server;
  v1::CreateTaskRequest request = LuaRequest("print(('x'):rep(20000000))");
  request.mutable_task()->mutable_limits()->set_output_bytes(64 << 20);
  request.mutable_task()->mutable_limits()->set_memory_bytes(512 << 20);
  const Ran ran = RunToEnd(server.tasks(), request);
  ASSERT_TRUE(ran.status.ok()) << ran.status.error_message();
  size_t bytes = 0;
  for (const auto& event : ran.events) bytes += event.output().data().size();
  EXPECT_EQ(bytes, 20'000'001u);
}

// All pages of a list in FULL view.
std::vector<v1::Task> ListFull(const ServerProcess& server, v1::TaskView view = v1::TASK_VIEW_FULL) {
  std::vector<v1::Task> tasks;
  v1::ListTasksRequest request;
  request.set_parent("queues/-");
  request.set_page_size(1000);
  request.set_view(view);
  do {
    v1::ListTasksResponse response;
    const grpc::Status status = Call(server.tasks(), &v1::Tasks::Stub::ListTasks, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_LE(response.ByteSizeLong(), kDefaultLimit);
    for (auto& task : *response.mutable_tasks()) tasks.push_back(std::move(task));
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return tasks;
}

TEST(LargeAnswers, PagesInFullViewFit) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  v1::CreateTaskRequest request = LuaRequest("return 1", std::string(1'000'000, 'x'));
  v1::Task task;
  for (int i = 0; i < 20; ++i) {
    request.set_task_id(absl::StrCat("t", i));
    ASSERT_TRUE(Create(server.tasks(), request, &task).ok());
  }
  v1::CreateTaskRequest large = LargeResult(6 << 20);
  large.set_parent("queues/other");
  ASSERT_TRUE(RunToEnd(server.tasks(), large).status.ok());
  const std::vector<v1::Task> tasks = ListFull(server);
  ASSERT_EQ(tasks.size(), 21u);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(tasks[static_cast<size_t>(i)].name(), absl::StrCat("queues/default/tasks/t", i));
    EXPECT_EQ(tasks[static_cast<size_t>(i)].lua().text().size(), 1'000'000u);
    EXPECT_FALSE(tasks[static_cast<size_t>(i)].reduced());
  }
  EXPECT_TRUE(tasks.back().reduced());
  EXPECT_FALSE(tasks.back().has_result());
  EXPECT_EQ(tasks.back().state(), v1::TASK_STATE_SUCCEEDED);
}

TEST(LargeAnswers, AnswersThatAreLargeBecauseOfLabelsFit) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  v1::CreateTaskRequest request = LuaRequest("return 1");
  for (int label = 0; label < 64; ++label) {
    (*request.mutable_task()->mutable_labels())[absl::StrCat("key-", label)] = std::string(255, 'v');
  }
  v1::BatchCreateTasksRequest batch;
  for (int i = 0; i < 600; ++i) *batch.add_requests() = request;  // 10 MB.
  v1::BatchCreateTasksResponse response;
  const grpc::Status status = Call(server.tasks(), &v1::Tasks::Stub::BatchCreateTasks, batch, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(response.tasks_size(), 600);
  EXPECT_EQ(response.tasks(0).state(), v1::TASK_STATE_QUEUED);
  EXPECT_FALSE(response.tasks(0).name().empty());
  EXPECT_FALSE(response.tasks(0).etag().empty());
  EXPECT_EQ(ListFull(server, v1::TASK_VIEW_BASIC).size(), 600u);
}

TEST(LargeAnswers, TheClientLibraryReadsWhatIsTooLargeInPieces) {
  ServerProcess server;
  constexpr size_t kBytes = 20 << 20;
  const Client client(server.NewChannel());  // With gRPC's defaults.
  std::string name;
  const auto end =
      client.Run(LargeResult(kBytes), [&name](const v1::TaskEvent& event) { name = event.task(); });
  ASSERT_TRUE(end.ok()) << end.status();
  EXPECT_TRUE(end->result().data() == Repeated(kBytes));
  EXPECT_FALSE(end->result_left_out());
  const auto got = client.Get(name);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_TRUE(got->result().data() == Repeated(kBytes));
  EXPECT_THAT(got->lua().source(), HasSubstr("rep"));
  const auto waited = client.Wait(name);
  ASSERT_TRUE(waited.ok()) << waited.status();
  EXPECT_TRUE(waited->result().data() == Repeated(kBytes));
  const auto result = client.ReadResult(name);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->content_type(), "text/plain; charset=utf-8");
  v1::ListTasksRequest list;
  list.set_parent("queues/default");
  list.set_view(v1::TASK_VIEW_FULL);
  size_t listed = 0;
  ASSERT_TRUE(
      client
          .List(list, [&listed](const v1::Task& task) { return (listed = task.result().data().size()) > 0; })
          .ok());
  EXPECT_EQ(listed, kBytes);
}

TEST(LargeAnswers, TheCommandShowsThemWhole) {
  ServerProcess server;
  const std::string flag = absl::StrCat("--server=", server.address());
  v1::CreateTaskRequest request = LargeResult(8'000'000);
  request.set_task_id("large");
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), request, &task).ok());
  const Finished waited = RunProgram({kErrandPath, flag, "wait", "large", "-o", "json"});
  EXPECT_EQ(waited.exit_code, 0) << waited.errors;
  const Finished got = RunProgram({kErrandPath, flag, "get", "large"});
  EXPECT_EQ(got.exit_code, 0) << got.errors;
  EXPECT_GT(got.output.size(), 8'000'000u);
  const Finished dumped = RunProgram({kErrandPath, flag, "admin", "dump"});
  EXPECT_EQ(dumped.exit_code, 0) << dumped.errors;
  EXPECT_GT(dumped.output.size(), 8'000'000u);
  EXPECT_EQ(dumped.output.find("reduced"), std::string::npos);
}

}  // namespace
}  // namespace errand
