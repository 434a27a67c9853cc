// Whatever is wrong with a request, the answer names the field, and nothing has changed.
#include <gmock/gmock.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

using ::testing::HasSubstr;

struct BadRequest {
  const char* name;
  const char* field;
  std::function<void(v1::CreateTaskRequest&)> spoil;
  const char* reason = "INVALID_FIELD";
};

void PrintTo(const BadRequest& request, std::ostream* out) { *out << request.field; }

class BadCreateTask : public ::testing::TestWithParam<BadRequest> {
 protected:
  static void SetUpTestSuite() { server_ = new ServerProcess; }
  static void TearDownTestSuite() {
    EXPECT_EQ(server_->Stop(), 0);
    delete server_;
  }

  BadCreateTask() : request_(LuaRequest("return 1")) {
    request_.set_task_id("spoiled");
    GetParam().spoil(request_);
  }

  // `status` names `field`, and there is no task.
  void ExpectRefused(const grpc::Status& status, const std::string& field) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    const auto bad = DetailOf<google::rpc::BadRequest>(status);
    ASSERT_TRUE(bad.has_value());
    EXPECT_EQ(bad->field_violations(0).field(), field);
    EXPECT_THAT(status.error_message(), HasSubstr(field));
    EXPECT_EQ(ReasonOf(status), GetParam().reason);
    v1::Task task;
    EXPECT_EQ(Get(server_->tasks(), "queues/default/tasks/spoiled", &task).error_code(),
              grpc::StatusCode::NOT_FOUND);
  }

  static ServerProcess* server_;
  v1::CreateTaskRequest request_;
};
ServerProcess* BadCreateTask::server_ = nullptr;

TEST_P(BadCreateTask, NamesTheFieldAndCreatesNothing) {
  v1::Task task;
  ExpectRefused(Create(server_->tasks(), request_, &task), GetParam().field);
}

TEST_P(BadCreateTask, NamesTheFieldInRunTaskAsWell) {
  grpc::ClientContext context;
  SetTestDeadline(context);
  v1::RunTaskRequest request;
  *request.mutable_create() = request_;
  auto reader = server_->tasks().RunTask(&context, request);
  v1::RunTaskResponse response;
  EXPECT_FALSE(reader->Read(&response));
  ExpectRefused(reader->Finish(), absl::StrCat("create.", GetParam().field));
}

void MakeEmail(v1::CreateTaskRequest& request) {
  v1::EmailTask& email = *request.mutable_task()->mutable_email();
  email.set_from("a@example.org");
  email.add_to("b@example.org");
  email.set_text("hello");
}

INSTANTIATE_TEST_SUITE_P(
    All, BadCreateTask,
    ::testing::Values(
        BadRequest{"NoTask", "task", [](auto& r) { r.clear_task(); }},
        BadRequest{"NoHandler", "task.handler", [](auto& r) { r.mutable_task()->clear_lua(); }},
        BadRequest{"NoSource", "task.lua.source", [](auto& r) { r.mutable_task()->mutable_lua()->clear_code(); }},
        BadRequest{"EmptySource", "task.lua.source",
                   [](auto& r) { r.mutable_task()->mutable_lua()->set_source(""); }},
        BadRequest{"SyntaxError", "task.lua.source",
                   [](auto& r) { r.mutable_task()->mutable_lua()->set_source("if then"); }, "LUA_SYNTAX_ERROR"},
        BadRequest{"Bytecode", "task.lua.source",
                   [](auto& r) { r.mutable_task()->mutable_lua()->set_source("\x1bLua"); }},
        BadRequest{"HugeSource", "task.lua.source",
                   [](auto& r) { r.mutable_task()->mutable_lua()->set_source(std::string((1 << 20) + 1, ' ')); }},
        BadRequest{"HugePayload", "task.lua.text",
                   [](auto& r) { r.mutable_task()->mutable_lua()->set_text(std::string((1 << 20) + 1, ' ')); }},
        BadRequest{"ScriptName", "task.lua.script",
                   [](auto& r) { r.mutable_task()->mutable_lua()->set_script("x"); }},
        BadRequest{"QueueName", "parent", [](auto& r) { r.set_parent("queues/Not_OK"); }},
        BadRequest{"QueuePath", "parent", [](auto& r) { r.set_parent("default"); }},
        BadRequest{"TaskId", "task_id", [](auto& r) { r.set_task_id("-x"); }},
        BadRequest{"RequestId", "request_id", [](auto& r) { r.set_request_id(std::string(129, 'x')); }},
        BadRequest{"NegativeRunTimeout", "task.run_timeout",
                   [](auto& r) { r.mutable_task()->mutable_run_timeout()->set_seconds(-1); }},
        BadRequest{"MixedSigns", "task.run_timeout",
                   [](auto& r) {
                     r.mutable_task()->mutable_run_timeout()->set_seconds(1);
                     r.mutable_task()->mutable_run_timeout()->set_nanos(-1);
                   }},
        BadRequest{"EndlessRunTimeout", "task.run_timeout",
                   [](auto& r) {
                     r.mutable_task()->mutable_run_timeout()->set_seconds(std::numeric_limits<int64_t>::max());
                   }},
        BadRequest{"Priority", "task.priority", [](auto& r) { r.mutable_task()->set_priority(10); }},
        BadRequest{"OrderingKey", "task.ordering_key",
                   [](auto& r) { r.mutable_task()->set_ordering_key(std::string(257, 'k')); }},
        BadRequest{"Ttl", "task.ttl", [](auto& r) { r.mutable_task()->mutable_ttl()->set_seconds(-1); }},
        BadRequest{"FarTtl", "task.ttl", [](auto& r) { r.mutable_task()->mutable_ttl()->set_seconds(367 * 24 * 3600); }},
        BadRequest{"ExpireTime", "task.expire_time",
                   [](auto& r) { r.mutable_task()->mutable_expire_time()->set_seconds(1); }},
        BadRequest{"ExpireTimeNanos", "task.expire_time",
                   [](auto& r) { r.mutable_task()->mutable_expire_time()->set_nanos(-1); }},
        BadRequest{"ScheduleTime", "task.schedule_time",
                   [](auto& r) { r.mutable_task()->mutable_schedule_time()->set_nanos(-1); }},
        BadRequest{"FarSchedule", "task.schedule_time",
                   [](auto& r) { r.mutable_task()->mutable_schedule_time()->set_seconds(253402300799); }},
        BadRequest{"Attempts", "task.retry_policy.max_attempts",
                   [](auto& r) { r.mutable_task()->mutable_retry_policy()->set_max_attempts(-1); }},
        BadRequest{"Backoff", "task.retry_policy.min_backoff",
                   [](auto& r) { r.mutable_task()->mutable_retry_policy()->mutable_min_backoff()->set_seconds(-1); }},
        BadRequest{"Multiplier", "task.retry_policy.multiplier",
                   [](auto& r) {
                     r.mutable_task()->mutable_retry_policy()->set_multiplier(
                         std::numeric_limits<double>::quiet_NaN());
                   }},
        BadRequest{"Memory", "task.limits.memory_bytes",
                   [](auto& r) { r.mutable_task()->mutable_limits()->set_memory_bytes(1); }},
        BadRequest{"Output", "task.limits.output_bytes",
                   [](auto& r) { r.mutable_task()->mutable_limits()->set_output_bytes(-1); }},
        BadRequest{"CpuTime", "task.limits.cpu_time",
                   [](auto& r) { r.mutable_task()->mutable_limits()->mutable_cpu_time()->set_seconds(3601); }},
        BadRequest{"Durability", "task.durability",
                   [](auto& r) { r.mutable_task()->set_durability(v1::DURABILITY_FSYNC); }},
        BadRequest{"UnknownDurability", "task.durability",
                   [](auto& r) { r.mutable_task()->set_durability(static_cast<v1::Durability>(-7)); }},
        BadRequest{"LabelKey", "task.labels[\"\"]", [](auto& r) { (*r.mutable_task()->mutable_labels())[""] = "v"; }},
        BadRequest{"NoRecipients", "task.email.to",
                   [](auto& r) {
                     MakeEmail(r);
                     r.mutable_task()->mutable_email()->clear_to();
                   }},
        BadRequest{"BadAddress", "task.email.to[0]",
                   [](auto& r) {
                     MakeEmail(r);
                     r.mutable_task()->mutable_email()->set_to(0, "nobody");
                   }},
        BadRequest{"InjectedRecipient", "task.email.to[0]",
                   [](auto& r) {
                     MakeEmail(r);
                     r.mutable_task()->mutable_email()->set_to(0, "b@example.org>\r\nDATA\r\n");
                   }},
        BadRequest{"InjectedSubject", "task.email.subject",
                   [](auto& r) {
                     MakeEmail(r);
                     r.mutable_task()->mutable_email()->set_subject("hello\r\nBcc: c@example.org");
                   }}),
    [](const auto& info) { return info.param.name; });

TEST(BadInput, AMessageTooLargeForTheServerIsRefusedAndTheConnectionGoesOn) {
  ServerProcess server;
  v1::CreateTaskRequest request = LuaRequest("return 1");
  request.mutable_task()->mutable_lua()->set_data(std::string(20 << 20, 'x'));
  v1::Task task;
  EXPECT_EQ(Create(server.tasks(), request, &task).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_TRUE(Create(server.tasks(), LuaRequest("return 1"), &task).ok());
}

TEST(BadInput, AQueueThatDoesNotExistIsNotFoundWhereQueuesAreFixed) {
  ServerProcess server({"--queues=mail,reports"});
  v1::CreateTaskRequest request = LuaRequest("return 1");
  request.set_parent("queues/letters");
  v1::Task task;
  const grpc::Status status = Create(server.tasks(), request, &task);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  const auto resource = DetailOf<google::rpc::ResourceInfo>(status);
  ASSERT_TRUE(resource.has_value());
  EXPECT_EQ(resource->resource_name(), "queues/letters");
  request.set_parent("queues/mail");
  EXPECT_TRUE(Create(server.tasks(), request, &task).ok());
}

TEST(BadInput, AFullQueueRefusesAtOnceAndSaysWhenToRetry) {
  ServerProcess server({"--queue_max_tasks=2"});
  PauseQueue(server.queues(), "queues/default");
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), LuaRequest("return 1"), &task).ok());
  ASSERT_TRUE(Create(server.tasks(), LuaRequest("return 1"), &task).ok());
  const grpc::Status status = Create(server.tasks(), LuaRequest("return 1"), &task);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ReasonOf(status), "QUEUE_FULL");
  EXPECT_GT(DetailOf<google::rpc::RetryInfo>(status)->retry_delay().seconds(), 0);
  EXPECT_EQ(DetailOf<google::rpc::QuotaFailure>(status)->violations(0).subject(), "queues/default");
}

TEST(BadInput, ValidateOnlyChecksAndCreatesNothing) {
  ServerProcess server;
  v1::CreateTaskRequest request = LuaRequest("return 1");
  request.set_task_id("dry");
  request.set_validate_only(true);
  v1::Task task;
  EXPECT_TRUE(Create(server.tasks(), request, &task).ok());
  EXPECT_EQ(task.name(), "queues/default/tasks/dry");
  EXPECT_EQ(Get(server.tasks(), task.name(), &task).error_code(), grpc::StatusCode::NOT_FOUND);
  request.mutable_task()->mutable_lua()->set_source("if");
  EXPECT_EQ(Create(server.tasks(), request, &task).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(BadInput, NamesAndSequencesAreCheckedEverywhere) {
  ServerProcess server;
  v1::Task task;
  EXPECT_EQ(Get(server.tasks(), "tasks/x", &task).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Cancel(server.tasks(), "").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Wait(server.tasks(), "queues/q/tasks/x", -1, &task).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  const grpc::Status unknown = Wait(server.tasks(), "queues/q/tasks/x", 1, &task);
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(unknown), "TASK_NOT_FOUND");

  ASSERT_TRUE(Create(server.tasks(), LuaRequest("return 1"), &task).ok());
  for (const auto& [after, code] : {std::pair(int64_t{-1}, grpc::StatusCode::INVALID_ARGUMENT),
                                    std::pair(int64_t{99}, grpc::StatusCode::OUT_OF_RANGE)}) {
    grpc::ClientContext context;
    SetTestDeadline(context);
    v1::WatchTaskRequest request;
    request.set_name(task.name());
    request.set_after_sequence(after);
    auto reader = server.tasks().WatchTask(&context, request);
    v1::WatchTaskResponse response;
    EXPECT_FALSE(reader->Read(&response));
    const grpc::Status status = reader->Finish();
    EXPECT_EQ(status.error_code(), code);
    if (code == grpc::StatusCode::OUT_OF_RANGE) {
      EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(status)->metadata().at("oldest_sequence"), "1");
    }
  }
}

TEST(BadInput, AMethodThatIsNotThereYetSaysSoWithAnErrorInfo) {
  ServerProcess server;
  const auto channel = server.NewChannel();
  grpc::ClientContext context;
  SetTestDeadline(context);
  const grpc::internal::RpcMethod method("/errand.v1.Tasks/DreamOfTask",
                                         grpc::internal::RpcMethod::NORMAL_RPC);
  v1::GetTaskResponse response;
  const grpc::Status status =
      grpc::internal::BlockingUnaryCall(channel.get(), method, &context, v1::GetTaskRequest(), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(ReasonOf(status), "METHOD_NOT_AVAILABLE");
}

TEST(BadInput, ATtlBecomesTheExpireTimeOfTheAnswer) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  v1::CreateTaskRequest request = LuaRequest("return 1");
  request.mutable_task()->mutable_ttl()->set_seconds(3600);
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), request, &task).ok());
  EXPECT_FALSE(task.has_ttl());
  EXPECT_NEAR(static_cast<double>(task.expire_time().seconds()), static_cast<double>(time(nullptr) + 3600),
              60);
}

}  // namespace
}  // namespace errand
