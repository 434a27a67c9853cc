#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

grpc::Status GetQueue(const ServerProcess& server, const std::string& name, v1::Queue* queue) {
  v1::GetQueueRequest request;
  request.set_name(name);
  v1::GetQueueResponse response;
  const grpc::Status status = Call(server.queues(), &v1::Queues::Stub::GetQueue, request, &response);
  *queue = response.queue();
  return status;
}

grpc::Status Update(const ServerProcess& server, const v1::Queue& queue, const std::vector<std::string>& mask,
                    v1::Queue* updated) {
  v1::UpdateQueueRequest request;
  *request.mutable_queue() = queue;
  for (const std::string& path : mask) request.mutable_update_mask()->add_paths(path);
  v1::UpdateQueueResponse response;
  const grpc::Status status = Call(server.queues(), &v1::Queues::Stub::UpdateQueue, request, &response);
  *updated = response.queue();
  return status;
}

v1::Queue Pause(const ServerProcess& server, const std::string& name) {
  v1::PauseQueueRequest request;
  request.set_name(name);
  v1::PauseQueueResponse response;
  const grpc::Status status = Call(server.queues(), &v1::Queues::Stub::PauseQueue, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.queue();
}

v1::Queue Resume(const ServerProcess& server, const std::string& name) {
  v1::ResumeQueueRequest request;
  request.set_name(name);
  v1::ResumeQueueResponse response;
  const grpc::Status status = Call(server.queues(), &v1::Queues::Stub::ResumeQueue, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.queue();
}

v1::QueueStats Stats(const ServerProcess& server, const std::string& name) {
  v1::GetQueueStatsRequest request;
  request.set_name(name);
  v1::GetQueueStatsResponse response;
  const grpc::Status status = Call(server.queues(), &v1::Queues::Stub::GetQueueStats, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.stats();
}

TEST(Queues, TheDefaultQueueIsAlwaysThere) {
  ServerProcess server;
  v1::Queue queue;
  ASSERT_TRUE(GetQueue(server, "queues/default", &queue).ok());
  EXPECT_EQ(queue.name(), "queues/default");
  EXPECT_EQ(queue.state(), v1::QUEUE_STATE_RUNNING);
  EXPECT_FALSE(queue.etag().empty());
  const grpc::Status status = GetQueue(server, "queues/unknown", &queue);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReasonOf(status), "QUEUE_NOT_FOUND");
  EXPECT_EQ(FieldOf(GetQueue(server, "default", &queue)), "name");
  EXPECT_EQ(server.Stop(), 0);
}

TEST(Queues, SettingsAreChangedByMask) {
  ServerProcess server;
  v1::Queue settings;
  settings.set_name("queues/mail");
  settings.mutable_rate_limit()->set_tasks_per_second(10);
  settings.mutable_rate_limit()->set_burst(5);
  settings.set_max_running(3);
  v1::Queue updated;
  ASSERT_TRUE(Update(server, settings, {}, &updated).ok());
  EXPECT_EQ(updated.rate_limit().burst(), 5);
  EXPECT_EQ(updated.max_running(), 3);

  settings.mutable_rate_limit()->set_burst(50);
  settings.mutable_rate_limit()->set_tasks_per_second(99);
  ASSERT_TRUE(Update(server, settings, {"rate_limit.burst"}, &updated).ok());
  EXPECT_EQ(updated.rate_limit().burst(), 50);
  EXPECT_EQ(updated.rate_limit().tasks_per_second(), 10);

  v1::Queue nothing;
  nothing.set_name("queues/mail");
  ASSERT_TRUE(Update(server, nothing, {"max_running"}, &updated).ok());
  EXPECT_EQ(updated.max_running(), 0);
  EXPECT_TRUE(updated.has_rate_limit());
  nothing.set_weight(2);
  ASSERT_TRUE(Update(server, nothing, {"*"}, &updated).ok());
  EXPECT_FALSE(updated.has_rate_limit());
  EXPECT_EQ(updated.weight(), 2);

  v1::Queue got;
  ASSERT_TRUE(GetQueue(server, "queues/mail", &got).ok());
  EXPECT_EQ(got.etag(), updated.etag());
  EXPECT_EQ(got.weight(), 2);
}

TEST(Queues, AnotherEtagIsAborted) {
  ServerProcess server;
  v1::Queue queue;
  ASSERT_TRUE(GetQueue(server, "queues/default", &queue).ok());
  const std::string etag = queue.etag();
  queue.set_weight(3);
  ASSERT_TRUE(Update(server, queue, {"weight"}, &queue).ok());
  EXPECT_NE(queue.etag(), etag);
  queue.set_etag(etag);
  EXPECT_EQ(Update(server, queue, {"weight"}, &queue).error_code(), grpc::StatusCode::ABORTED);
}

TEST(Queues, APausedQueueTakesTasksAndStartsThemWhenItIsResumed) {
  ServerProcess server;
  EXPECT_EQ(Pause(server, "queues/default").state(), v1::QUEUE_STATE_PAUSED);
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), LuaRequest("return 1"), &task).ok());
  v1::CreateTaskRequest elsewhere = LuaRequest("return 2");
  elsewhere.set_parent("queues/other");
  EXPECT_EQ(RunToEnd(server.tasks(), elsewhere).end.state(), v1::TASK_STATE_SUCCEEDED);
  ASSERT_TRUE(Get(server.tasks(), task.name(), &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_QUEUED);
  EXPECT_EQ(Stats(server, "queues/default").held_by(), v1::HELD_BY_PAUSE);
  EXPECT_EQ(Resume(server, "queues/default").state(), v1::QUEUE_STATE_RUNNING);
  ASSERT_TRUE(Wait(server.tasks(), task.name(), 30'000, &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
}

TEST(Queues, APurgedQueueForgetsWhatWaits) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  v1::Task task;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(Create(server.tasks(), LuaRequest("return 1"), &task).ok());
  v1::CreateTaskRequest later = LuaRequest("return 1");
  later.mutable_task()->mutable_schedule_time()->set_seconds(time(nullptr) + 3600);
  ASSERT_TRUE(Create(server.tasks(), later, &task).ok());
  const v1::QueueStats before = Stats(server, "queues/default");
  EXPECT_EQ(before.tasks_by_state().at("TASK_STATE_QUEUED"), 3);
  EXPECT_EQ(before.tasks_by_state().at("TASK_STATE_SCHEDULED"), 1);
  EXPECT_TRUE(before.has_oldest_queued_age());

  v1::PurgeQueueRequest request;
  request.set_name("queues/default");
  v1::PurgeQueueResponse response;
  ASSERT_TRUE(Call(server.queues(), &v1::Queues::Stub::PurgeQueue, request, &response).ok());
  EXPECT_EQ(response.purged_count(), 4);
  EXPECT_EQ(Get(server.tasks(), task.name(), &task).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Stats(server, "queues/default").tasks_by_state_size(), 0);
}

TEST(Queues, TasksTakeTheDefaultsOfTheirQueue) {
  ServerProcess server;
  v1::Queue settings;
  settings.set_name("queues/default");
  settings.mutable_default_retry_policy()->set_max_attempts(3);
  settings.mutable_default_retry_policy()->mutable_min_backoff()->set_nanos(1'000'000);
  settings.mutable_default_limits()->set_memory_bytes(4 << 20);
  ASSERT_TRUE(Update(server, settings, {}, &settings).ok());
  const Ran ran = RunToEnd(server.tasks(),
                           LuaRequest("if task.attempt < 3 then error('not yet') end return task.attempt"));
  EXPECT_EQ(ran.end.result().data(), "3");
  v1::Task task;
  ASSERT_TRUE(Get(server.tasks(), ran.events.at(0).task(), &task).ok());
  EXPECT_EQ(task.limits().memory_bytes(), 4 << 20);
  EXPECT_EQ(task.limits().output_bytes(), 1 << 20) << "the server's default";
  EXPECT_EQ(task.retry_policy().max_attempts(), 3);
}

TEST(Queues, AreListedByNameInPages) {
  ServerProcess server;
  v1::Queue settings;
  for (const char* name : {"queues/c", "queues/a", "queues/b"}) {
    settings.set_name(name);
    settings.set_weight(1);
    v1::Queue updated;
    ASSERT_TRUE(Update(server, settings, {}, &updated).ok());
  }
  for (int page_size : {0, 1, 3, 5000}) {
    std::vector<std::string> names;
    v1::ListQueuesRequest request;
    request.set_page_size(page_size);
    do {
      v1::ListQueuesResponse response;
      ASSERT_TRUE(Call(server.queues(), &v1::Queues::Stub::ListQueues, request, &response).ok());
      for (const auto& queue : response.queues()) names.push_back(queue.name());
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    EXPECT_THAT(names, ElementsAre("queues/a", "queues/b", "queues/c", "queues/default"));
  }
  v1::ListQueuesRequest request;
  v1::ListQueuesResponse response;
  request.set_page_size(-1);
  EXPECT_EQ(FieldOf(Call(server.queues(), &v1::Queues::Stub::ListQueues, request, &response)), "page_size");
  request.set_page_size(1);
  request.set_page_token("queues/a");
  EXPECT_EQ(FieldOf(Call(server.queues(), &v1::Queues::Stub::ListQueues, request, &response)), "page_token");
}

TEST(Queues, WhatIsWrongIsNamedAndChangesNothing) {
  ServerProcess server({"--queues=mail"});
  v1::Queue before;
  ASSERT_TRUE(GetQueue(server, "queues/mail", &before).ok());
  v1::Queue settings;
  settings.set_name("queues/mail");
  settings.set_weight(-1);
  v1::Queue updated;
  EXPECT_EQ(FieldOf(Update(server, settings, {}, &updated)), "queue.weight");
  settings.clear_weight();
  settings.mutable_rate_limit()->set_tasks_per_second(std::numeric_limits<double>::quiet_NaN());
  EXPECT_EQ(FieldOf(Update(server, settings, {}, &updated)), "queue.rate_limit.tasks_per_second");
  settings.clear_rate_limit();
  settings.mutable_retention()->mutable_max_age()->set_seconds(-1);
  EXPECT_EQ(FieldOf(Update(server, settings, {}, &updated)), "queue.retention.max_age");
  settings.clear_retention();
  for (const char* path : {"speed", "name", "state", "etag", "rate_limit.x", ""}) {
    const grpc::Status status = Update(server, settings, {path}, &updated);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << path;
    EXPECT_EQ(FieldOf(status), "update_mask") << path;
  }
  EXPECT_EQ(FieldOf(Update(server, v1::Queue(), {}, &updated)), "queue.name");
  v1::UpdateQueueRequest empty;
  v1::UpdateQueueResponse response;
  EXPECT_EQ(FieldOf(Call(server.queues(), &v1::Queues::Stub::UpdateQueue, empty, &response)), "queue");
  v1::Queue after;
  ASSERT_TRUE(GetQueue(server, "queues/mail", &after).ok());
  EXPECT_EQ(after.etag(), before.etag());

  settings.set_name("queues/letters");
  settings.set_weight(1);
  EXPECT_EQ(Update(server, settings, {}, &updated).error_code(), grpc::StatusCode::NOT_FOUND)
      << "the server has a fixed set of queues";
}

TEST(Queues, HealthKnowsTheService) {
  ServerProcess server;
  const auto health = grpc::health::v1::Health::NewStub(server.NewChannel());
  grpc::health::v1::HealthCheckRequest request;
  request.set_service("errand.v1.Queues");
  grpc::health::v1::HealthCheckResponse response;
  ASSERT_TRUE(Call(*health, &grpc::health::v1::Health::Stub::Check, request, &response).ok());
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
}

}  // namespace
}  // namespace errand
