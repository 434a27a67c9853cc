#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

grpc::Status CreateScript(const ServerProcess& server, const std::string& id, const std::string& source,
                          v1::Script* script, const std::string& request_id = "",
                          bool validate_only = false) {
  v1::CreateScriptRequest request;
  request.set_script_id(id);
  request.mutable_script()->set_source(source);
  request.set_request_id(request_id);
  request.set_validate_only(validate_only);
  v1::CreateScriptResponse response;
  grpc::Status status = Call(server.scripts(), &v1::Scripts::Stub::CreateScript, request, &response);
  // A machine under load may give the compiler too little time.
  for (int i = 0; i < 10 && status.error_code() == grpc::StatusCode::UNAVAILABLE; ++i) {
    EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(status).has_value());
    status = Call(server.scripts(), &v1::Scripts::Stub::CreateScript, request, &response);
  }
  *script = response.script();
  return status;
}

v1::Script MustCreate(const ServerProcess& server, const std::string& id, const std::string& source) {
  v1::Script script;
  const grpc::Status status = CreateScript(server, id, source, &script);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return script;
}

grpc::Status GetScript(const ServerProcess& server, const std::string& name, v1::Script* script,
                       int64_t version = 0) {
  v1::GetScriptRequest request;
  request.set_name(name);
  request.set_version(version);
  v1::GetScriptResponse response;
  const grpc::Status status = Call(server.scripts(), &v1::Scripts::Stub::GetScript, request, &response);
  *script = response.script();
  return status;
}

// In a stream of this one frame.
v1::SubmitTasksAck SubmitFrame(const ServerProcess& server, v1::SubmitTasksRequest frame) {
  grpc::ClientContext context;
  SetTestDeadline(context);
  auto stream = server.tasks().SubmitTasks(&context);
  frame.set_client_sequence(1);
  EXPECT_TRUE(stream->Write(frame));
  stream->WritesDone();
  v1::SubmitTasksResponse response;
  EXPECT_TRUE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
  return response.acks_size() == 0 ? v1::SubmitTasksAck() : response.acks(0);
}

grpc::Status DeleteScript(const ServerProcess& server, const std::string& name) {
  v1::DeleteScriptRequest request;
  request.set_name(name);
  v1::DeleteScriptResponse response;
  return Call(server.scripts(), &v1::Scripts::Stub::DeleteScript, request, &response);
}

v1::CreateTaskRequest ScriptRequest(const std::string& name, const std::string& payload = "") {
  v1::CreateTaskRequest request;
  request.mutable_task()->mutable_lua()->set_script(name);
  if (!payload.empty()) request.mutable_task()->mutable_lua()->set_text(payload);
  return request;
}

TEST(Scripts, ARegisteredScriptIsRunByItsNameAndGetsThePayload) {
  ServerProcess server;
  const v1::Script script = MustCreate(server, "shout", "return task.payload:upper()");
  EXPECT_EQ(script.name(), "scripts/shout");
  EXPECT_EQ(script.version(), 1);
  EXPECT_EQ(script.source(), "return task.payload:upper()");
  EXPECT_TRUE(script.has_create_time());
  const Ran ran = RunToEnd(server.tasks(), ScriptRequest("scripts/shout", "hello"));
  ASSERT_TRUE(ran.status.ok()) << ran.status.error_message();
  EXPECT_EQ(ran.end.result().data(), "HELLO");
  EXPECT_EQ(server.Stop(), 0);
}

TEST(Scripts, ATaskRunsTheVersionCurrentWhenItWasCreatedThoughTheScriptIsReplacedAndDeleted) {
  ServerProcess server;
  MustCreate(server, "s", "if task.attempt < 2 then error('again') end return 'one'");
  v1::CreateTaskRequest request = ScriptRequest("scripts/s");
  request.mutable_task()->mutable_schedule_time()->set_seconds(time(nullptr) + 3600);
  request.mutable_task()->mutable_lua()->set_script_version(99);  // Output only: ignored.
  v1::Task scheduled;
  ASSERT_TRUE(Create(server.tasks(), request, &scheduled).ok());
  // It fails at its first attempt; RetryTask runs it again below.
  const Ran failed = RunToEnd(server.tasks(), ScriptRequest("scripts/s"));
  ASSERT_EQ(failed.end.state(), v1::TASK_STATE_FAILED);
  EXPECT_EQ(MustCreate(server, "s", "return 'two'").version(), 2);
  EXPECT_EQ(RunToEnd(server.tasks(), ScriptRequest("scripts/s")).end.result().data(), "two");
  ASSERT_TRUE(DeleteScript(server, "scripts/s").ok());

  v1::Task task;
  ASSERT_TRUE(Get(server.tasks(), scheduled.name(), &task).ok());
  EXPECT_EQ(task.lua().script(), "scripts/s");
  EXPECT_EQ(task.lua().script_version(), 1);
  v1::Script kept;
  ASSERT_TRUE(GetScript(server, "scripts/s", &kept, 1).ok());
  EXPECT_THAT(kept.source(), HasSubstr("one"));

  v1::RetryTaskRequest retry;
  retry.set_name(failed.events[0].task());
  v1::RetryTaskResponse retried;
  ASSERT_TRUE(Call(server.tasks(), &v1::Tasks::Stub::RetryTask, retry, &retried).ok());
  ASSERT_TRUE(Wait(server.tasks(), retry.name(), 30'000, &task).ok());
  EXPECT_EQ(task.result().data(), "one");

  EXPECT_EQ(MustCreate(server, "s", "return 'three'").version(), 3) << "versions go on counting";
}

TEST(Scripts, AScriptThatDoesNotCompileIsRefusedWithItsLine) {
  ServerProcess server;
  v1::Script script;
  const grpc::Status status = CreateScript(server, "s", "local a\nlocal = 1", &script);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "LUA_SYNTAX_ERROR");
  EXPECT_EQ(FieldOf(status), "script.source");
  EXPECT_THAT(status.error_message(), HasSubstr("script.source: line 2"));
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  EXPECT_EQ(info->metadata().at("line"), "2");
  EXPECT_THAT(info->metadata().at("message"), HasSubstr("<name> expected"));
  EXPECT_EQ(GetScript(server, "scripts/s", &script).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST(Scripts, ValidationReportsProblemsAndIsNoError) {
  ServerProcess server;
  const auto validate = [&](const std::string& source, v1::ValidateScriptResponse* response) {
    v1::ValidateScriptRequest request;
    request.set_source(source);
    grpc::Status status;
    for (int i = 0; i < 10; ++i) {
      status = Call(server.scripts(), &v1::Scripts::Stub::ValidateScript, request, response);
      if (status.error_code() != grpc::StatusCode::UNAVAILABLE) break;
    }
    return status;
  };
  v1::ValidateScriptResponse response;
  ASSERT_TRUE(validate("return 1", &response).ok());
  EXPECT_EQ(response.problems_size(), 0);
  ASSERT_TRUE(validate("\n\nreturn (", &response).ok());
  ASSERT_EQ(response.problems_size(), 1);
  EXPECT_EQ(response.problems(0).line(), 3);
  EXPECT_THAT(response.problems(0).message(), HasSubstr("unexpected symbol"));
  EXPECT_EQ(FieldOf(validate("", &response)), "source");
  EXPECT_EQ(FieldOf(validate("\x1bLua", &response)), "source");
}

TEST(Scripts, AnUnknownScriptIsRefusedInEveryWayToSubmit) {
  ServerProcess server;
  const auto expect = [](const auto& status, int code, const std::string& field) {
    EXPECT_EQ(code, grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(ReasonOf(status), "SCRIPT_NOT_FOUND");
    const auto resource = DetailOf<google::rpc::ResourceInfo>(status);
    ASSERT_TRUE(resource.has_value());
    EXPECT_EQ(resource->resource_type(), "errand.dev/script");
    EXPECT_EQ(resource->resource_name(), "scripts/none");
    EXPECT_EQ(DetailOf<google::rpc::ErrorInfo>(status)->metadata().at("field"), field);
  };
  v1::Task task;
  const grpc::Status created = Create(server.tasks(), ScriptRequest("scripts/none"), &task);
  expect(created, created.error_code(), "task.lua.script");
  EXPECT_EQ(created.error_message(), "task.lua.script: there is no script 'scripts/none'");

  const grpc::Status ran = RunToEnd(server.tasks(), ScriptRequest("scripts/none")).status;
  expect(ran, ran.error_code(), "create.task.lua.script");

  v1::BatchCreateTasksRequest batch;
  *batch.add_requests() = LuaRequest("return 1");
  *batch.add_requests() = ScriptRequest("scripts/none");
  v1::BatchCreateTasksResponse batched;
  const grpc::Status refused = Call(server.tasks(), &v1::Tasks::Stub::BatchCreateTasks, batch, &batched);
  expect(refused, refused.error_code(), "requests[1].task.lua.script");

  v1::SubmitTasksRequest frame;
  *frame.add_requests() = ScriptRequest("scripts/none");
  *frame.add_requests() = LuaRequest("return 1");
  const v1::SubmitTasksAck ack = SubmitFrame(server, std::move(frame));
  ASSERT_EQ(ack.results_size(), 2);
  const auto& error = ack.results(0).error();
  expect(error, error.code(), "task.lua.script");
  EXPECT_FALSE(ack.results(1).name().empty());
}

TEST(Scripts, BatchesAndStreamsSubmitByName) {
  ServerProcess server;
  MustCreate(server, "s", "return task.payload .. '!'");
  v1::BatchCreateTasksRequest batch;
  for (const char* payload : {"a", "b"}) *batch.add_requests() = ScriptRequest("scripts/s", payload);
  v1::BatchCreateTasksResponse batched;
  ASSERT_TRUE(Call(server.tasks(), &v1::Tasks::Stub::BatchCreateTasks, batch, &batched).ok());
  std::vector<std::string> names;
  for (const v1::Task& task : batched.tasks()) names.push_back(task.name());

  v1::SubmitTasksRequest frame;
  *frame.add_requests() = ScriptRequest("scripts/s", "c");
  const v1::SubmitTasksAck ack = SubmitFrame(server, std::move(frame));
  ASSERT_EQ(ack.results_size(), 1);
  names.push_back(ack.results(0).name());

  std::vector<std::string> results;
  for (const std::string& name : names) {
    v1::Task task;
    ASSERT_TRUE(Wait(server.tasks(), name, 30'000, &task).ok());
    results.push_back(task.result().data());
  }
  EXPECT_THAT(results, ElementsAre("a!", "b!", "c!"));
}

TEST(Scripts, ScriptsAreListedInPagesByNameWithoutTheirSources) {
  ServerProcess server;
  for (const char* id : {"c", "a", "b"}) MustCreate(server, id, "return 1");
  v1::ListScriptsRequest request;
  request.set_page_size(2);
  std::vector<std::string> names;
  do {
    v1::ListScriptsResponse response;
    ASSERT_TRUE(Call(server.scripts(), &v1::Scripts::Stub::ListScripts, request, &response).ok());
    EXPECT_LE(response.scripts_size(), 2);
    for (const v1::Script& script : response.scripts()) {
      EXPECT_EQ(script.source(), "");
      EXPECT_EQ(script.version(), 1);
      names.push_back(script.name());
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, ElementsAre("scripts/a", "scripts/b", "scripts/c"));
  v1::ListScriptsResponse response;
  request.set_page_token("x");
  EXPECT_EQ(FieldOf(Call(server.scripts(), &v1::Scripts::Stub::ListScripts, request, &response)),
            "page_token");
  request.clear_page_token();
  request.set_page_size(-1);
  EXPECT_EQ(FieldOf(Call(server.scripts(), &v1::Scripts::Stub::ListScripts, request, &response)),
            "page_size");
}

TEST(Scripts, RequestIdsAndValidateOnlyAreAsWithTasks) {
  ServerProcess server;
  v1::Script script;
  ASSERT_TRUE(CreateScript(server, "s", "return 1", &script, "", /*validate_only=*/true).ok());
  EXPECT_EQ(script.version(), 1);
  EXPECT_EQ(GetScript(server, "scripts/s", &script).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_FALSE(CreateScript(server, "s", "return return", &script, "", /*validate_only=*/true).ok());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(CreateScript(server, "s", "return 1", &script, "only-once").ok());
    EXPECT_EQ(script.version(), 1);
  }
}

TEST(Scripts, EveryRefusalNamesItsField) {
  ServerProcess server;
  v1::Script script;
  EXPECT_EQ(FieldOf(CreateScript(server, "Not/An/Id", "return 1", &script)), "script_id");
  EXPECT_EQ(FieldOf(CreateScript(server, "s", "", &script)), "script.source");
  EXPECT_EQ(FieldOf(CreateScript(server, "s", "\x1bLua", &script)), "script.source");
  EXPECT_EQ(FieldOf(CreateScript(server, "s", std::string((1 << 20) + 1, ' '), &script)), "script.source");
  EXPECT_EQ(FieldOf(CreateScript(server, "s", "return 1", &script, std::string(129, 'r'))), "request_id");
  v1::CreateScriptRequest empty;
  empty.set_script_id("s");
  v1::CreateScriptResponse response;
  EXPECT_EQ(FieldOf(Call(server.scripts(), &v1::Scripts::Stub::CreateScript, empty, &response)), "script");
  EXPECT_EQ(FieldOf(GetScript(server, "s", &script)), "name");
  EXPECT_EQ(FieldOf(GetScript(server, "scripts/s", &script, -1)), "version");
  EXPECT_EQ(FieldOf(DeleteScript(server, "scripts/")), "name");
  const grpc::Status missing = DeleteScript(server, "scripts/s");
  EXPECT_EQ(missing.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(missing), "SCRIPT_NOT_FOUND");
  EXPECT_EQ(DetailOf<google::rpc::ResourceInfo>(missing)->resource_name(), "scripts/s");
}

TEST(Scripts, AScriptOf1MiBIsRegisteredAndRun) {
  ServerProcess server;
  std::string source = "return 'end'";
  source.insert(0, (1 << 20) - source.size(), ' ');
  MustCreate(server, "large", source);
  EXPECT_EQ(RunToEnd(server.tasks(), ScriptRequest("scripts/large")).end.result().data(), "end");
}

TEST(Scripts, AServerThatRunsNoLuaCompilesNone) {
  ServerProcess server({"--lua_workers=0"});
  v1::Script script;
  const grpc::Status status = CreateScript(server, "s", "return 1", &script);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(ReasonOf(status), "LUA_NOT_AVAILABLE");
}

TEST(Scripts, TheServiceHasAHealthOfItsOwn) {
  ServerProcess server;
  const auto health = grpc::health::v1::Health::NewStub(server.NewChannel());
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("errand.v1.Scripts");
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(Call(*health, &grpc::health::v1::Health::Stub::Check, request, &response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
}

}  // namespace
}  // namespace errand
