#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

grpc::Status List(const ServerProcess& server, const v1::ListTasksRequest& request,
                  v1::ListTasksResponse* response) {
  return Call(server.tasks(), &v1::Tasks::Stub::ListTasks, request, response);
}

v1::ListTasksRequest ListRequest(const std::string& filter = "", int page_size = 0) {
  v1::ListTasksRequest request;
  request.set_parent("queues/default");
  request.set_filter(filter);
  request.set_page_size(page_size);
  return request;
}

// The last segments of the names on all pages.
std::vector<std::string> ListAll(const ServerProcess& server, v1::ListTasksRequest request) {
  std::vector<std::string> ids;
  do {
    v1::ListTasksResponse response;
    const grpc::Status status = List(server, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    if (request.page_size() > 0) {
      EXPECT_LE(response.tasks_size(), request.page_size());
    }
    for (const v1::Task& task : response.tasks()) {
      ids.push_back(task.name().substr(task.name().rfind('/') + 1));
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  return ids;
}

void CreateNamed(const ServerProcess& server, const std::string& id, v1::CreateTaskRequest request) {
  request.set_task_id(id);
  v1::Task task;
  const grpc::Status status = Create(server.tasks(), request, &task);
  ASSERT_TRUE(status.ok()) << status.error_message();
}

void DeleteCancelled(const ServerProcess& server, const std::string& name) {
  ASSERT_TRUE(Cancel(server.tasks(), name).ok());
  v1::DeleteTaskRequest request;
  request.set_name(name);
  v1::DeleteTaskResponse response;
  ASSERT_TRUE(Call(server.tasks(), &v1::Tasks::Stub::DeleteTask, request, &response).ok());
}

TEST(ListTasks, PagesHoldEveryTaskOnceInTheOrderOfCreation) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  std::vector<std::string> expected;
  for (int i = 0; i < 25; ++i) {
    expected.push_back(absl::StrCat("t", i));
    CreateNamed(server, expected.back(), LuaRequest("return 1"));
  }
  for (int page_size : {0, 1, 7, 25, 1000, 5000}) {
    EXPECT_EQ(ListAll(server, ListRequest("", page_size)), expected) << page_size;
  }
  v1::ListTasksResponse response;
  ASSERT_TRUE(List(server, ListRequest("", 10), &response).ok());
  EXPECT_EQ(response.tasks_size(), 10);
  EXPECT_THAT(response.next_page_token(), MatchesRegex("[A-Za-z0-9_-]+")) << "URL-safe";
}

TEST(ListTasks, ATaskThatStaysIsListedOnceWhateverIsCreatedAndDeletedMeanwhile) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  for (int i = 0; i < 6; ++i) CreateNamed(server, absl::StrCat("t", i), LuaRequest("return 1"));
  v1::ListTasksRequest request = ListRequest("", 3);
  v1::ListTasksResponse response;
  ASSERT_TRUE(List(server, request, &response).ok());
  ASSERT_EQ(response.tasks_size(), 3);
  DeleteCancelled(server, "queues/default/tasks/t2");
  DeleteCancelled(server, "queues/default/tasks/t4");
  CreateNamed(server, "new", LuaRequest("return 1"));
  request.set_page_token(response.next_page_token());
  EXPECT_THAT(ListAll(server, request), ElementsAre("t3", "t5", "new"));
}

TEST(ListTasks, AFilterSelectsByAllThatItCanName) {
  ServerProcess server;
  v1::CreateTaskRequest request = LuaRequest("return 1");
  (*request.mutable_task()->mutable_labels())["team"] = "blue";
  request.mutable_task()->set_priority(5);
  CreateNamed(server, "good", request);
  CreateNamed(server, "bad", LuaRequest("error('no')"));
  request = LuaRequest("return 1");
  request.mutable_task()->mutable_schedule_time()->set_seconds(time(nullptr) + 3600);
  CreateNamed(server, "later", request);
  v1::Task task;
  for (const char* name : {"queues/default/tasks/good", "queues/default/tasks/bad"}) {
    ASSERT_TRUE(Wait(server.tasks(), name, 30'000, &task).ok());
  }
  EXPECT_THAT(ListAll(server, ListRequest("state = SUCCEEDED")), ElementsAre("good"));
  EXPECT_THAT(ListAll(server, ListRequest("state = FAILED OR state = SCHEDULED")),
              ElementsAre("bad", "later"));
  EXPECT_THAT(ListAll(server, ListRequest("NOT labels:team handler = lua")), ElementsAre("bad", "later"));
  EXPECT_THAT(ListAll(server, ListRequest("labels.team = blue AND priority > 4")), ElementsAre("good"));
  EXPECT_THAT(ListAll(server, ListRequest("end_time > \"2020-01-01T00:00:00Z\"")),
              ElementsAre("good", "bad"));
  EXPECT_THAT(ListAll(server, ListRequest("schedule_time > \"2020-01-01T00:00:00Z\"")), ElementsAre("later"));
  EXPECT_THAT(ListAll(server, ListRequest("attempt_count = 1", 1)), ElementsAre("good", "bad"));
  EXPECT_THAT(ListAll(server, ListRequest("state = RUNNING")), ElementsAre());
}

TEST(ListTasks, AFilterThatMatchesLittleStillComesToTheEnd) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  v1::BatchCreateTasksRequest batch;
  for (int i = 0; i < 1000; ++i) *batch.add_requests() = LuaRequest("return 1");
  for (int i = 0; i < 20; ++i) {
    v1::BatchCreateTasksResponse response;
    ASSERT_TRUE(Call(server.tasks(), &v1::Tasks::Stub::BatchCreateTasks, batch, &response).ok());
  }
  v1::CreateTaskRequest request = LuaRequest("return 1");
  request.mutable_task()->set_priority(9);
  CreateNamed(server, "needle", request);
  EXPECT_THAT(ListAll(server, ListRequest("priority = 9")), ElementsAre("needle"));
}

TEST(ListTasks, AHyphenMeansAllQueues) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  v1::CreateTaskRequest request = LuaRequest("return 1");
  CreateNamed(server, "a", request);
  request.set_parent("queues/mail");
  CreateNamed(server, "b", request);
  v1::ListTasksRequest list = ListRequest("", 1);
  EXPECT_THAT(ListAll(server, list), ElementsAre("a"));
  list.set_parent("queues/-");
  EXPECT_THAT(ListAll(server, list), ElementsAre("a", "b"));
}

TEST(ListTasks, TheFullViewHasWhatTheClientSent) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  CreateNamed(server, "t", LuaRequest("return 1"));
  v1::ListTasksRequest request = ListRequest();
  v1::ListTasksResponse response;
  ASSERT_TRUE(List(server, request, &response).ok());
  EXPECT_TRUE(response.tasks(0).lua().source().empty());
  EXPECT_TRUE(response.tasks(0).has_lua());
  request.set_view(v1::TASK_VIEW_FULL);
  ASSERT_TRUE(List(server, request, &response).ok());
  EXPECT_EQ(response.tasks(0).lua().source(), "return 1");
}

// A client takes 4 MiB in a message, if it does not say otherwise.
TEST(ListTasks, APageOfLargeTasksFitsIntoAMessage) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  std::vector<std::string> expected;
  for (int i = 0; i < 60; ++i) {
    expected.push_back(absl::StrCat("t", i));
    CreateNamed(server, expected.back(), LuaRequest("return 1", std::string(90'000, 'x')));
  }
  v1::ListTasksRequest request = ListRequest("", 1000);
  request.set_view(v1::TASK_VIEW_FULL);
  EXPECT_EQ(ListAll(server, request), expected);
}

TEST(ListTasks, ATokenIsGoodForItsOwnRequestAlone) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  for (int i = 0; i < 3; ++i) CreateNamed(server, absl::StrCat("t", i), LuaRequest("return 1"));
  v1::ListTasksResponse response;
  ASSERT_TRUE(List(server, ListRequest("priority = 0", 1), &response).ok());
  const std::string token = response.next_page_token();
  ASSERT_FALSE(token.empty());

  v1::ListTasksRequest request = ListRequest("priority = 0", 2);
  request.set_page_token(token);
  EXPECT_TRUE(List(server, request, &response).ok()) << "another page size is allowed";
  request.set_filter("priority = 1");
  EXPECT_EQ(FieldOf(List(server, request, &response)), "page_token");
  request = ListRequest("priority = 0", 1);
  request.set_parent("queues/-");
  request.set_page_token(token);
  EXPECT_EQ(FieldOf(List(server, request, &response)), "page_token");
  request.set_parent("queues/default");
  for (const std::string& bad : {std::string("x"), token + "x", token.substr(1), std::string("%%%"),
                                 std::string(10'000, 'A'), std::string("AAAAAAAAAAA")}) {
    request.set_page_token(bad);
    const grpc::Status status = List(server, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << bad;
    EXPECT_EQ(FieldOf(status), "page_token") << bad;
  }
}

TEST(ListTasks, WhatIsWrongIsNamed) {
  ServerProcess server;
  PauseQueue(server.queues(), "queues/default");
  v1::ListTasksResponse response;
  EXPECT_EQ(FieldOf(List(server, v1::ListTasksRequest(), &response)), "parent");
  EXPECT_EQ(FieldOf(List(server, ListRequest("", -1), &response)), "page_size");
  const grpc::Status status = List(server, ListRequest("state = LOST"), &response);
  EXPECT_EQ(FieldOf(status), "filter");
  EXPECT_THAT(status.error_message(), HasSubstr("position 9"));
  EXPECT_EQ(FieldOf(List(server, ListRequest(std::string(5000, ' ')), &response)), "filter");
  v1::ListTasksRequest request = ListRequest();
  request.set_view(static_cast<v1::TaskView>(9));
  EXPECT_EQ(FieldOf(List(server, request, &response)), "view");
}

}  // namespace
}  // namespace errand
