// Tasks that a server cannot run are refused, whatever way they come, instead of waiting for ever in silence.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_log.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

using ::testing::HasSubstr;

v1::CreateTaskRequest Mail() {
  v1::CreateTaskRequest request;
  v1::EmailTask& email = *request.mutable_task()->mutable_email();
  email.set_from("errand@example.org");
  email.add_to("bob@example.net");
  email.set_text("Hello");
  return request;
}

template <class Status>
void ExpectNoHandler(const Status& status, const std::string& handler) {
  EXPECT_EQ(ReasonOf(status), "NO_HANDLER");
  const auto failure = DetailOf<google::rpc::PreconditionFailure>(status);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->violations(0).subject(), handler);
}

void ExpectRefused(const grpc::Status& status, const std::string& handler) {
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << status.error_message();
  ExpectNoHandler(status, handler);
}

grpc::Status Batch(v1::Tasks::Stub& stub, const v1::CreateTaskRequest& create) {
  v1::BatchCreateTasksRequest request;
  *request.add_requests() = create;
  v1::BatchCreateTasksResponse response;
  return Call(stub, &v1::Tasks::Stub::BatchCreateTasks, request, &response);
}

google::rpc::Status SubmitOnStream(v1::Tasks::Stub& stub, const v1::CreateTaskRequest& create) {
  grpc::ClientContext context;
  SetTestDeadline(context);
  auto stream = stub.SubmitTasks(&context);
  v1::SubmitTasksRequest frame;
  frame.set_client_sequence(1);
  *frame.add_requests() = create;
  v1::SubmitTasksResponse response;
  EXPECT_TRUE(stream->Write(frame));
  EXPECT_TRUE(stream->Read(&response));
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
  return response.acks(0).results(0).error();
}

void ExpectRefusedInEveryWay(const ServerProcess& server, v1::CreateTaskRequest request,
                             const std::string& handler) {
  v1::Task task;
  ExpectRefused(Create(server.tasks(), request, &task), handler);
  ExpectRefused(RunToEnd(server.tasks(), request).status, handler);
  ExpectRefused(Batch(server.tasks(), request), handler);
  ExpectNoHandler(SubmitOnStream(server.tasks(), request), handler);
  request.set_validate_only(true);
  ExpectRefused(Create(server.tasks(), request, &task), handler);
}

TEST(NoHandler, MailIsRefusedByAServerWithoutAMailServer) {
  ServerLog log;
  ServerProcess server({}, log.writer());
  EXPECT_THAT(log.WaitFor("`email`"), HasSubstr("without --smtp_server"));
  ExpectRefusedInEveryWay(server, Mail(), "email");
  const Ran ran =
      RunToEnd(server.tasks(), LuaRequest("email.send({from = 'a@example.org', to = {'b@example.org'}, "
                                          "text = 'Hello'})"));
  EXPECT_EQ(ran.end.state(), v1::TASK_STATE_FAILED);
  EXPECT_THAT(ran.end.error().message(), HasSubstr("without --smtp_server"));
}

TEST(NoHandler, LuaIsRefusedByAServerWithoutWorkers) {
  ServerLog log;
  ServerProcess server({"--lua_workers=0"}, log.writer());
  EXPECT_THAT(log.WaitFor("`lua`"), HasSubstr("--lua_workers=0"));
  ExpectRefusedInEveryWay(server, LuaRequest("return 1"), "lua");
}

class HandlerTakenAway : public ::testing::Test {
 protected:
  HandlerTakenAway() {
    std::string pattern = (std::filesystem::temp_directory_path() / "errand-data-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~HandlerTakenAway() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
};

TEST_F(HandlerTakenAway, TasksThatWereThereBeforeSayWhatTheyWaitFor) {
  v1::Task waits;
  v1::Task failed;
  {
    ServerProcess server({absl::StrCat("--data_dir=", folder_)});
    PauseQueue(server.queues(), "queues/default");
    ASSERT_TRUE(Create(server.tasks(), LuaRequest("return 1"), &waits).ok());
    v1::CreateTaskRequest fails = LuaRequest("error('no')");
    fails.set_parent("queues/other");
    ASSERT_TRUE(Create(server.tasks(), fails, &failed).ok());
    ASSERT_TRUE(Wait(server.tasks(), failed.name(), 30'000, &failed).ok());
    ASSERT_EQ(server.Stop(), 0);
  }
  ServerProcess server({absl::StrCat("--data_dir=", folder_), "--lua_workers=0"});
  v1::GetQueueStatsRequest stats;
  stats.set_name("queues/default");
  v1::GetQueueStatsResponse response;
  ASSERT_TRUE(Call(server.queues(), &v1::Queues::Stub::GetQueueStats, stats, &response).ok());
  EXPECT_EQ(response.stats().held_by(), v1::HELD_BY_NO_HANDLER);
  v1::RetryTaskRequest retry;
  retry.set_name(failed.name());
  v1::RetryTaskResponse retried;
  ExpectRefused(Call(server.tasks(), &v1::Tasks::Stub::RetryTask, retry, &retried), "lua");
  EXPECT_TRUE(Cancel(server.tasks(), waits.name()).ok()) << "it can still be given up";
  EXPECT_EQ(server.Stop(), 0);
}

}  // namespace
}  // namespace errand
