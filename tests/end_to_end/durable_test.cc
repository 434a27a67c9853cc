// What a server with a data folder has acknowledged, after it was killed.
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

class DurableTest : public ::testing::Test {
 protected:
  DurableTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "errand-data-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
    StartAgain();
  }
  ~DurableTest() override {
    server_ = nullptr;
    std::filesystem::remove_all(folder_);
  }

  void StartAgain() {
    server_ = nullptr;
    server_ = std::make_unique<ServerProcess>(std::vector<std::string>{"--data_dir=" + folder_});
  }
  void Kill() {
    server_->Signal(SIGKILL);
    EXPECT_EQ(server_->Wait(), -SIGKILL);
  }

  ServerProcess& server() { return *server_; }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::unique_ptr<ServerProcess> server_;
};

TEST_F(DurableTest, TasksQueuesAndScriptsAreThereAfterAKill) {
  const auto ended = RunToEnd(server().tasks(), LuaRequest("log.info('a line') return 'kept'"));
  ASSERT_EQ(ended.end.state(), v1::TASK_STATE_SUCCEEDED);
  v1::Task running;
  ASSERT_TRUE(
      Create(server().tasks(), LuaRequest("task.sleep(task.attempt == 1 and 600 or 0)"), &running).ok());
  EXPECT_EQ(running.durability(), v1::DURABILITY_FSYNC);
  WaitForState(server().tasks(), running.name(), v1::TASK_STATE_RUNNING);
  {
    grpc::ClientContext context;
    v1::PauseQueueRequest request;
    request.set_name("queues/paused");
    v1::PauseQueueResponse response;
    ASSERT_TRUE(server().queues().PauseQueue(&context, request, &response).ok());
  }
  {
    grpc::ClientContext context;
    v1::CreateScriptRequest request;
    request.set_script_id("greet");
    request.mutable_script()->set_source("return 'hello'");
    v1::CreateScriptResponse response;
    ASSERT_TRUE(server().scripts().CreateScript(&context, request, &response).ok());
  }
  v1::CreateTaskRequest by_name = LuaRequest("");
  by_name.set_parent("queues/paused");
  by_name.set_request_id("once");
  by_name.mutable_task()->mutable_lua()->set_script("scripts/greet");
  by_name.mutable_task()->set_durability(v1::DURABILITY_BUFFERED);
  v1::Task waiting;
  ASSERT_TRUE(Create(server().tasks(), by_name, &waiting).ok());
  EXPECT_EQ(waiting.durability(), v1::DURABILITY_BUFFERED);

  Kill();
  StartAgain();

  v1::Task task;
  ASSERT_TRUE(Get(server().tasks(), ended.events[0].task(), &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(task.result().data(), "kept");
  ASSERT_TRUE(Wait(server().tasks(), running.name(), 60'000, &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  ASSERT_TRUE(Get(server().tasks(), running.name(), &task).ok());
  ASSERT_EQ(task.attempts_size(), 2) << "what ran has run again";
  EXPECT_EQ(ReasonOf(task.attempts(0).error()), "SERVER_ENDED");
  v1::Task again;
  ASSERT_TRUE(Create(server().tasks(), by_name, &again).ok());
  EXPECT_EQ(again.name(), waiting.name()) << "the request id is known";
  EXPECT_EQ(again.state(), v1::TASK_STATE_QUEUED) << "its queue is paused";
  {
    grpc::ClientContext context;
    v1::ResumeQueueRequest request;
    request.set_name("queues/paused");
    v1::ResumeQueueResponse response;
    ASSERT_TRUE(server().queues().ResumeQueue(&context, request, &response).ok());
  }
  ASSERT_TRUE(Wait(server().tasks(), waiting.name(), 60'000, &task).ok());
  EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(server().Stop(), 0);
}

TEST_F(DurableTest, ASecondServerIsRefused) {
  const Finished second = RunProgram({ERRANDD_PATH, "--listen=localhost:0", "--data_dir=" + folder()});
  EXPECT_EQ(second.exit_code, 1);
  EXPECT_NE(second.errors.find("is in use by another server"), std::string::npos) << second.errors;
}

// ERRAND_CRASH_ROUNDS: how often the server is killed; by hand, hundreds.
TEST_F(DurableTest, WhatWasAcknowledgedSurvivesAKillAtAnyMoment) {
  int rounds = 3;
  if (const char* asked = std::getenv("ERRAND_CRASH_ROUNDS")) (void)absl::SimpleAtoi(asked, &rounds);
  struct Seen {
    v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;  // Terminal, if somebody was told so.
    int32_t attempts = 0;
  };
  absl::Mutex mu;
  std::map<std::string, Seen> acknowledged;
  std::mt19937 random(7);
  for (int round = 0; round < rounds; ++round) {
    std::atomic<bool> killed = false;
    std::vector<std::thread> clients;
    for (int client = 0; client < 3; ++client) {
      clients.emplace_back([&, client] {
        for (int i = 0; !killed; ++i) {
          v1::CreateTaskRequest request = LuaRequest("return task.attempt");
          request.set_parent(absl::StrCat("queues/q", client));
          request.set_task_id(absl::StrCat("r", round, "-", i));
          v1::Task task;
          if (!Create(server().tasks(), request, &task).ok()) continue;
          {
            absl::MutexLock lock(&mu);
            acknowledged[task.name()] = {};
          }
          if (i % 2 == 0 || !Wait(server().tasks(), task.name(), 5'000, &task).ok()) continue;
          absl::MutexLock lock(&mu);
          if (task.state() == v1::TASK_STATE_SUCCEEDED) {
            acknowledged[task.name()] = {task.state(), task.attempt_count()};
          }
        }
      });
    }
    absl::SleepFor(absl::Milliseconds(50 + random() % 300));
    Kill();
    killed = true;
    for (std::thread& client : clients) client.join();
    StartAgain();
    for (const auto& [name, seen] : acknowledged) {
      v1::Task task;
      ASSERT_TRUE(Wait(server().tasks(), name, 60'000, &task).ok()) << name << " is lost";
      EXPECT_EQ(task.state(), v1::TASK_STATE_SUCCEEDED) << name;
      if (seen.state != v1::TASK_STATE_UNSPECIFIED) {
        EXPECT_EQ(task.attempt_count(), seen.attempts) << name << " had ended, and ran again";
      }
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(acknowledged.size(), static_cast<size_t>(rounds));
}

}  // namespace
}  // namespace errand
