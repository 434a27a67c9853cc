#include "google/rpc/error_details.pb.h"
#include "tests/client/command_test.h"

namespace errand {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class VerbsTest : public CommandTest {};

TEST_F(VerbsTest, SubmitPrintsTheNameAlone) {
  v1::CreateTaskRequest sent;
  fake_.create = [&](auto&, const v1::CreateTaskRequest& request, v1::CreateTaskResponse& response) {
    sent = request;
    *response.mutable_task() = TaskIn(v1::TASK_STATE_QUEUED);
    return grpc::Status::OK;
  };
  const std::string script = File("x.lua", "return 1");
  Run({"submit", "lua", script, "--delay=1h"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "queues/default/tasks/t\n");
  EXPECT_THAT(err_, IsEmpty());
  EXPECT_FALSE(sent.request_id().empty());
  EXPECT_TRUE(sent.task().has_schedule_time());
  Run({"submit", "lua", script, "-o", "jsonl"});
  EXPECT_EQ(out_, "{\"name\":\"queues/default/tasks/t\",\"state\":\"TASK_STATE_QUEUED\"}\n");
}

TEST_F(VerbsTest, SubmitTakesJsonOfATaskOrOfARequest) {
  v1::CreateTaskRequest sent;
  fake_.create = [&](auto&, const v1::CreateTaskRequest& request, v1::CreateTaskResponse& response) {
    sent = request;
    *response.mutable_task() = TaskIn(v1::TASK_STATE_QUEUED);
    return grpc::Status::OK;
  };
  CommandOptions options;
  options.input = R"({"lua": {"source": "return 1"}, "runTimeout": "5s"})";
  Run({"submit", "--json", "-", "--queue=q"}, options);
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(sent.parent(), "queues/q");
  EXPECT_EQ(sent.task().lua().source(), "return 1");
  EXPECT_EQ(sent.task().run_timeout().seconds(), 5);
  Run({"submit", "--json", File("r.json", R"({"parent": "queues/p", "task_id": "x", "task": {"lua": {}}})")});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(sent.parent(), "queues/p");
  EXPECT_EQ(sent.task_id(), "x");
  EXPECT_TRUE(sent.task().has_lua());
}

TEST_F(VerbsTest, GetShowsATaskWhateverItsState) {
  std::vector<std::string> names;
  fake_.get = [&](auto&, const v1::GetTaskRequest& request, v1::GetTaskResponse& response) {
    names.push_back(request.name());
    v1::Task& task = *response.mutable_task();
    task = TaskIn(v1::TASK_STATE_FAILED);
    task.mutable_lua();
    task.set_attempt_count(2);
    task.mutable_create_time()->set_seconds(1'900'000'000);
    task.mutable_error()->set_message("boom\x1b[0m");
    (*task.mutable_labels())["a"] = "b";
    return grpc::Status::OK;
  };
  Run({"get", "t"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_,
            "name      queues/default/tasks/t\n"
            "state     failed\n"
            "kind      lua\n"
            "attempts  2\n"
            "created   2030-03-17 17:46:40.000+00:00\n"
            "label     a=b\n"
            "error     boom\\x1b[0m\n");
  Run({"get", "q/t"});
  Run({"get", "--queue=p", "t"});
  Run({"get", "queues/a/tasks/b"});
  EXPECT_THAT(names, ::testing::ElementsAre("queues/default/tasks/t", "queues/q/tasks/t", "queues/p/tasks/t",
                                            "queues/a/tasks/b"));
}

TEST_F(VerbsTest, JsonKeepsErrorDetailsAndPassesOverUnknownOnes) {
  fake_.get = [&](auto&, const v1::GetTaskRequest&, v1::GetTaskResponse& response) {
    v1::Task& task = *response.mutable_task();
    task = TaskIn(v1::TASK_STATE_FAILED);
    *task.mutable_error() = ErrorEvent(1, "boom").state().error();
    task.mutable_error()->add_details()->set_type_url("type.googleapis.com/example.FromTheFuture");
    google::protobuf::Any& broken = *task.mutable_error()->add_details();
    broken.set_type_url("type.googleapis.com/google.rpc.Help");
    broken.set_value("\xff");
    return grpc::Status::OK;
  };
  Run({"get", "t", "-o", "jsonl"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_,
            "{\"name\":\"queues/default/tasks/t\",\"state\":\"TASK_STATE_FAILED\",\"error\":{\"code\":2,"
            "\"message\":\"boom\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\","
            "\"reason\":\"LUA_ERROR\",\"domain\":\"errand.dev\"}]}}\n");
}

TEST_F(VerbsTest, WaitShowsTheEndedTaskAndExitsWithItsFate) {
  v1::TaskState state = v1::TASK_STATE_SUCCEEDED;
  fake_.wait = [&](auto&, const v1::WaitTaskRequest&, v1::WaitTaskResponse& response) {
    *response.mutable_task() = TaskIn(state);
    response.mutable_task()->mutable_result()->set_content_type("application/json");
    response.mutable_task()->mutable_result()->set_data("{\"a\":1}");
    return grpc::Status::OK;
  };
  Run({"wait", "t"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_THAT(out_, HasSubstr("state     succeeded\n"));
  EXPECT_THAT(out_, HasSubstr("result    application/json, 7 bytes\n          {\"a\":1}\n"));
  state = v1::TASK_STATE_FAILED;
  Run({"wait", "t"});
  EXPECT_EQ(code_, 1);
  EXPECT_EQ(err_, "errand: queues/default/tasks/t failed\n");
}

TEST_F(VerbsTest, WatchPrintsEventsOnStandardOutput) {
  fake_.watch = [&](auto&, const v1::WatchTaskRequest& request, auto& writer) {
    EXPECT_EQ(request.after_sequence(), 4);
    Send(writer, {ProgressEvent(5, 1, 4, "reading"), ProgressEvent(6, 12, 0, ""), ResultEvent(7, "1")});
    return grpc::Status::OK;
  };
  Run({"watch", "t", "--after", "4"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_,
            "   5  17:46:40.000  progress   1/4 25%  reading\n"
            "   6  17:46:40.000  progress   12\n"
            "   7  17:46:40.000  succeeded  application/json, 1 bytes\n");
  EXPECT_THAT(err_, IsEmpty());
}

TEST_F(VerbsTest, WatchOfAFailedTaskGivesExitCode1) {
  fake_.watch = [&](auto&, const v1::WatchTaskRequest&, auto& writer) {
    Send(writer, {ErrorEvent(1, "boom")});
    return grpc::Status::OK;
  };
  Run({"watch", "t", "-o", "jsonl"});
  EXPECT_EQ(code_, 1);
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 1);
  EXPECT_EQ(err_, "errand: queues/default/tasks/t failed (LUA_ERROR: boom)\n");
}

TEST_F(VerbsTest, CancelShowsTheTask) {
  fake_.cancel = [&](auto&, const v1::CancelTaskRequest&, v1::CancelTaskResponse& response) {
    *response.mutable_task() = TaskIn(v1::TASK_STATE_CANCELLED);
    return grpc::Status::OK;
  };
  Run({"cancel", "t"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_THAT(out_, HasSubstr("state     cancelled\n"));
}

TEST_F(VerbsTest, CancelWithDescendantsSaysHowMany) {
  v1::CancelTaskRequest sent;
  fake_.cancel = [&](auto&, const v1::CancelTaskRequest& request, v1::CancelTaskResponse& response) {
    sent = request;
    *response.mutable_task() = TaskIn(v1::TASK_STATE_SUCCEEDED);
    response.set_descendants_count(12);
    return grpc::Status::OK;
  };
  Run({"cancel", "t", "--descendants"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_TRUE(sent.descendants());
  EXPECT_THAT(out_, HasSubstr("state     succeeded\n"));
  EXPECT_THAT(out_, HasSubstr("cancelled 12 descendants\n"));
  // The task itself may be forgotten.
  fake_.cancel = [&](auto&, const v1::CancelTaskRequest&, v1::CancelTaskResponse&) {
    return grpc::Status::OK;
  };
  Run({"cancel", "t", "--descendants"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "cancelled 0 descendants\n");
}

TEST_F(VerbsTest, HealthSaysWhetherTheServerServes) {
  using grpc::health::v1::HealthCheckResponse;
  auto status = HealthCheckResponse::SERVING;
  fake_.health = [&](auto&, const grpc::health::v1::HealthCheckRequest&, HealthCheckResponse& response) {
    response.set_status(status);
    return grpc::Status::OK;
  };
  Run({"health"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "SERVING\n");
  status = HealthCheckResponse::NOT_SERVING;
  Run({"health", "-o", "json"});
  EXPECT_EQ(code_, 4);
  EXPECT_EQ(out_, "{\"status\":\"NOT_SERVING\"}\n");
}

}  // namespace
}  // namespace errand
