// What a refusal says: everything that is wrong, with its place, and no more than a client's trailers hold.
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Lt;
using ::testing::SizeIs;

// The fields that a refusal names, in their order.
template <class Status>
std::vector<std::string> FieldsOf(const Status& status) {
  std::vector<std::string> fields;
  const auto bad = DetailOf<google::rpc::BadRequest>(status);
  if (!bad.has_value()) return fields;
  for (const auto& violation : bad->field_violations()) fields.push_back(violation.field());
  return fields;
}

grpc::Status CreateIt(const ServerProcess& server, const v1::CreateTaskRequest& request) {
  v1::Task task;
  return Create(server.tasks(), request, &task);
}

grpc::Status CreateBatch(const ServerProcess& server, const std::vector<v1::CreateTaskRequest>& creates) {
  v1::BatchCreateTasksRequest request;
  for (const auto& create : creates) *request.add_requests() = create;
  v1::BatchCreateTasksResponse response;
  return Call(server.tasks(), &v1::Tasks::Stub::BatchCreateTasks, request, &response);
}

// What becomes of a frame, or the end of the stream.
struct Submitted {
  grpc::Status status;
  std::vector<v1::SubmitResult> results;
};
Submitted SubmitFrame(const ServerProcess& server, const std::vector<v1::CreateTaskRequest>& creates) {
  grpc::ClientContext context;
  SetTestDeadline(context);
  auto stream = server.tasks().SubmitTasks(&context);
  v1::SubmitTasksRequest frame;
  frame.set_client_sequence(1);
  for (const auto& create : creates) *frame.add_requests() = create;
  stream->Write(frame);
  stream->WritesDone();
  Submitted submitted;
  v1::SubmitTasksResponse response;
  while (stream->Read(&response)) {
    for (const auto& ack : response.acks()) {
      submitted.results.insert(submitted.results.end(), ack.results().begin(), ack.results().end());
    }
  }
  submitted.status = stream->Finish();
  return submitted;
}

v1::CreateTaskRequest WithSyntaxError() { return LuaRequest("local a = 1\nlocal b = = 2\n"); }

template <class Status>
void ExpectSyntaxError(const Status& status, const std::string& field) {
  EXPECT_EQ(ReasonOf(status), "LUA_SYNTAX_ERROR");
  EXPECT_THAT(FieldsOf(status), ElementsAre(field));
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->metadata().at("line"), "2");
  EXPECT_EQ(info->metadata().at("column"), "11");
  EXPECT_EQ(info->metadata().at("message"), "unexpected symbol near '='");
  EXPECT_EQ(info->metadata().at("field"), field);
}

TEST(Refusals, AScriptThatDoesNotCompileIsRefusedWithLineAndColumn) {
  ServerProcess server;
  const v1::CreateTaskRequest bad = WithSyntaxError();
  ExpectSyntaxError(CreateIt(server, bad), "task.lua.source");
  ExpectSyntaxError(RunToEnd(server.tasks(), bad).status, "create.task.lua.source");
  ExpectSyntaxError(CreateBatch(server, {LuaRequest("return 1"), bad}), "requests[1].task.lua.source");
  const Submitted submitted = SubmitFrame(server, {LuaRequest("return 1"), bad});
  ASSERT_THAT(submitted.results, SizeIs(2));
  EXPECT_FALSE(submitted.results[0].has_error());
  ExpectSyntaxError(submitted.results[1].error(), "task.lua.source");
}

TEST(Refusals, EverythingThatIsWrongIsNamed) {
  ServerProcess server;
  v1::CreateTaskRequest request = LuaRequest("");
  request.set_parent("mail");
  request.set_task_id("Not OK");
  request.mutable_task()->set_priority(12);
  (*request.mutable_task()->mutable_labels())[""] = "v";
  request.mutable_task()->mutable_ttl()->set_seconds(-1);
  request.mutable_task()->mutable_retry_policy()->set_max_attempts(-1);
  request.mutable_task()->mutable_retry_policy()->set_multiplier(99);
  request.mutable_task()->mutable_limits()->set_memory_bytes(1);
  const grpc::Status status = CreateIt(server, request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "INVALID_FIELD");
  EXPECT_THAT(status.error_message(), HasSubstr("(and 8 more)"));
  EXPECT_THAT(FieldsOf(status), ElementsAre("parent", "task_id", "task.lua.source", "task.priority",
                                            "task.labels[\"\"]", "task.ttl", "task.retry_policy.max_attempts",
                                            "task.retry_policy.multiplier", "task.limits.memory_bytes"));

  v1::CreateTaskRequest other = LuaRequest("return 1");
  other.mutable_task()->set_priority(-1);
  EXPECT_THAT(FieldsOf(CreateBatch(server, {other, LuaRequest("return 1"), other})),
              ElementsAre("requests[0].task.priority", "requests[2].task.priority"));

  v1::UpdateQueueRequest update;
  update.mutable_queue()->set_name("x");
  update.mutable_queue()->set_weight(-1);
  update.mutable_update_mask()->add_paths("nonsense");
  v1::UpdateQueueResponse updated;
  EXPECT_THAT(FieldsOf(Call(server.queues(), &v1::Queues::Stub::UpdateQueue, update, &updated)),
              ElementsAre("queue.name", "queue.weight", "update_mask"));
}

TEST(Refusals, ManyViolationsMakeASmallAnswer) {
  ServerProcess server;
  v1::CreateTaskRequest request;
  v1::EmailTask& email = *request.mutable_task()->mutable_email();
  email.set_from("no address");
  for (int i = 0; i < 900; ++i) email.add_to(std::string(2000, 'x'));
  grpc::Status status = CreateIt(server, request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_THAT(FieldsOf(status), SizeIs(Lt(21u)));

  std::vector<v1::CreateTaskRequest> creates;
  for (int i = 0; i < 1000; ++i) {
    v1::CreateTaskRequest create = LuaRequest("return 1");
    for (int label = 0; label < 40; ++label) {
      (*create.mutable_task()->mutable_labels())[absl::StrCat(label, std::string(70, 'k'))] = "v";
    }
    creates.push_back(std::move(create));
  }
  status = CreateBatch(server, creates);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  const Submitted submitted = SubmitFrame(server, creates);
  EXPECT_TRUE(submitted.status.ok()) << submitted.status.error_message();
  EXPECT_THAT(submitted.results, SizeIs(1000));
}

TEST(Refusals, WhatIsWrongIsShortenedNotEchoed) {
  ServerProcess server;
  const std::string huge(900'000, 'x');
  std::vector<v1::CreateTaskRequest> requests(8, LuaRequest("return 1"));
  requests[0].set_parent(huge);
  requests[1].set_task_id(huge);
  requests[2].set_request_id(huge);
  (*requests[3].mutable_task()->mutable_labels())[huge] = "v";
  requests[4].mutable_task()->set_ordering_key(huge);
  requests[5].mutable_task()->mutable_lua()->set_script(huge);
  requests[6] = LuaRequest("return '" + huge);  // Lua's message holds all of a string that is not finished.
  v1::EmailTask& email = *requests[7].mutable_task()->mutable_email();
  email.set_from(huge);
  email.add_to(huge);
  (*email.mutable_headers())[huge] = "v";
  email.add_attachments()->set_content_type(huge);
  for (const v1::CreateTaskRequest& request : requests) {
    const grpc::Status status = CreateIt(server, request);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_FALSE(FieldsOf(status).empty());
  }
  v1::ListTasksRequest list;
  list.set_parent("queues/-");
  list.set_filter(huge);
  v1::ListTasksResponse listed;
  EXPECT_THAT(FieldsOf(Call(server.tasks(), &v1::Tasks::Stub::ListTasks, list, &listed)),
              ElementsAre("filter"));
}

// Calls a unary method with bytes.
grpc::Status CallWithBytes(const ServerProcess& server, const std::string& method, const std::string& bytes) {
  grpc::GenericStub stub(server.NewChannel());
  grpc::ClientContext context;
  SetTestDeadline(context);
  grpc::CompletionQueue queue;
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  auto call = stub.PrepareUnaryCall(&context, method, request, &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag;
  bool ok;
  queue.Next(&tag, &ok);
  return status;
}

TEST(Refusals, TextThatIsNotUtf8IsNamed) {
  ServerProcess server;
  v1::CreateTaskRequest request = LuaRequest("return '\xff'");
  (*request.mutable_task()->mutable_labels())["team"] = "\xc3(";
  (*request.mutable_task()->mutable_labels())["\xe4"] = "v";
  request.mutable_task()->mutable_lua()->set_data("\xff bytes may be anything");
  const grpc::Status status = CreateIt(server, request);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  const auto fields = FieldsOf(status);
  EXPECT_THAT(std::set<std::string>(fields.begin(), fields.end()),
              ElementsAre("task.labels[\"\\xe4\"]", "task.labels[\"team\"]", "task.lua.source"));
  EXPECT_EQ(FieldOf(CreateBatch(server, {LuaRequest("return 1"), request})).substr(0, 17),
            "requests[1].task.");
  EXPECT_EQ(RunToEnd(server.tasks(), LuaRequest("\xff")).status.error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(FieldsOf(RunToEnd(server.tasks(), LuaRequest("\xff")).status),
              ElementsAre("create.task.lua.source"));
  EXPECT_THAT(FieldsOf(SubmitFrame(server, {LuaRequest("\xff")}).status),
              ElementsAre("requests[0].task.lua.source"));

  v1::Task task;
  EXPECT_EQ(FieldOf(Get(server.tasks(), "queues/\xff", &task)), "name");
  EXPECT_EQ(FieldOf(Cancel(server.tasks(), "\xff")), "name");
  EXPECT_EQ(FieldOf(Wait(server.tasks(), "\xff", 1, &task)), "name");
  v1::CreateScriptRequest script;
  script.set_script_id("s");
  script.mutable_script()->set_source("\xff");
  v1::CreateScriptResponse created;
  EXPECT_EQ(FieldOf(Call(server.scripts(), &v1::Scripts::Stub::CreateScript, script, &created)),
            "script.source");
  v1::GetQueueRequest queue;
  queue.set_name("\xff");
  v1::GetQueueResponse got;
  EXPECT_EQ(FieldOf(Call(server.queues(), &v1::Queues::Stub::GetQueue, queue, &got)), "name");
  EXPECT_TRUE(CreateIt(server, LuaRequest("return 1")).ok()) << "the server goes on";
}

TEST(Refusals, WhatIsNoMessageIsRefusedAsSuch) {
  ServerProcess server;
  const std::string good = LuaRequest("return 1").SerializeAsString();
  for (const std::string& bad :
       {std::string("\xff\xff\xff"), good.substr(0, good.size() - 1), good + "\x0a"}) {
    const grpc::Status status = CallWithBytes(server, "/errand.v1.Tasks/CreateTask", bad);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_EQ(ReasonOf(status), "INVALID_MESSAGE");
  }
  EXPECT_TRUE(CallWithBytes(server, "/errand.v1.Tasks/CreateTask", good).ok());
}

}  // namespace
}  // namespace errand
