#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "tests/end_to_end/calls.h"
#include "tests/end_to_end/server_process.h"

namespace errand {
namespace {

using ::testing::HasSubstr;

// A WatchQueue call, read frame by frame.
class Watcher {
 public:
  explicit Watcher(const ServerProcess& server, int64_t after_position = 0,
                   const std::string& queue = "queues/default") {
    SetTestDeadline(context_);
    v1::WatchQueueRequest request;
    request.set_parent(queue);
    request.set_after_position(after_position);
    reader_ = server.tasks().WatchQueue(&context_, request);
  }
  ~Watcher() { context_.TryCancel(); }

  bool Read(v1::WatchQueueResponse* frame) { return reader_->Read(frame); }
  grpc::Status Finish() { return reader_->Finish(); }
  void Cancel() { context_.TryCancel(); }

  // The position of the frame that must come first.
  int64_t ReadStart() {
    v1::WatchQueueResponse frame;
    EXPECT_TRUE(Read(&frame));
    EXPECT_EQ(frame.events_size(), 0);
    return frame.position();
  }

  // Reads until `tasks` tasks have ended; checks that each task's events have no gap.
  std::vector<v1::TaskEvent> ReadEnds(int tasks) {
    std::vector<v1::TaskEvent> events;
    std::map<std::string, int64_t> sequences;
    v1::WatchQueueResponse frame;
    while (tasks > 0 && Read(&frame)) {
      EXPECT_GT(frame.position(), position_);
      position_ = frame.position();
      for (const auto& event : frame.events()) {
        int64_t& last = sequences[event.task()];
        if (last > 0) {
          EXPECT_EQ(event.sequence(), last + 1);
        }
        last = event.sequence();
        events.push_back(event);
        if (event.state().state() == v1::TASK_STATE_SUCCEEDED) --tasks;
      }
    }
    EXPECT_EQ(tasks, 0);
    return events;
  }

  // Of the last frame that ReadEnds has read.
  int64_t position() const { return position_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchQueueResponse>> reader_;
  int64_t position_ = 0;
};

grpc::Status ReadToEnd(Watcher& watcher) {
  v1::WatchQueueResponse frame;
  while (watcher.Read(&frame)) {
  }
  return watcher.Finish();
}

TEST(WatchQueue, ShowsTheEventsOfAllTasksFromTheStartOn) {
  ServerProcess server;
  RunToEnd(server.tasks(), LuaRequest("return 'before'"));
  Watcher watcher(server);
  EXPECT_GT(watcher.ReadStart(), 0);
  for (int i = 0; i < 10; ++i) RunToEnd(server.tasks(), LuaRequest("return 1"));
  v1::CreateTaskRequest elsewhere = LuaRequest("return 1");
  elsewhere.set_parent("queues/other");
  RunToEnd(server.tasks(), elsewhere);
  const std::vector<v1::TaskEvent> events = watcher.ReadEnds(10);
  EXPECT_EQ(events.size(), 30u) << "QUEUED, RUNNING and SUCCEEDED of each";
  EXPECT_EQ(events.at(0).sequence(), 1);
  for (const auto& event : events) EXPECT_THAT(event.task(), HasSubstr("queues/default/"));
}

TEST(WatchQueue, ResumesAfterThePositionGiven) {
  ServerProcess server;
  int64_t start;
  {
    Watcher watcher(server);
    start = watcher.ReadStart();
  }
  for (int i = 0; i < 3; ++i) RunToEnd(server.tasks(), LuaRequest("return 1"));
  Watcher again(server, start);
  EXPECT_EQ(again.ReadStart(), start);
  EXPECT_EQ(again.ReadEnds(3).size(), 9u);
}

TEST(WatchQueue, AResumedWatchSaysAtOnceThatItHasBegun) {
  ServerProcess server;
  int64_t start;
  {
    Watcher watcher(server);
    start = watcher.ReadStart();
  }
  Watcher again(server, start);
  EXPECT_EQ(again.ReadStart(), start);
  RunToEnd(server.tasks(), LuaRequest("return 1"));
  EXPECT_EQ(again.ReadEnds(1).size(), 3u);
}

// Watchers that begin at different moments have a part of their bytes in common.
TEST(WatchQueue, EachOfManyWatchersSeesAllEventsWithoutAGap) {
  ServerProcess server;
  constexpr int kTasks = 200;
  constexpr int kWatchers = 40;
  Watcher first(server);
  const int64_t start = first.ReadStart();
  std::thread tasks([&] {
    for (int i = 0; i < kTasks; ++i) {
      const std::string source = "for i = 1, 20 do task.log('line ' .. i) end task.progress(1, 2) return 1";
      EXPECT_TRUE(RunToEnd(server.tasks(), LuaRequest(source)).status.ok());
    }
  });
  std::vector<std::thread> readers;
  std::vector<size_t> seen(kWatchers);
  for (int i = 0; i < kWatchers; ++i) {
    readers.emplace_back([&, i] {
      // All begin at the same position, at different moments.
      Watcher watcher(server, start);
      EXPECT_EQ(watcher.ReadStart(), start);
      const std::vector<v1::TaskEvent> events = watcher.ReadEnds(kTasks);
      seen[static_cast<size_t>(i)] = events.size();
    });
  }
  const std::vector<v1::TaskEvent> events = first.ReadEnds(kTasks);
  tasks.join();
  for (std::thread& reader : readers) reader.join();
  EXPECT_GE(events.size(), size_t{kTasks} * 23);
  for (const size_t size : seen) EXPECT_GE(size, size_t{kTasks} * 23);
}

TEST(WatchQueue, AWatcherResumesBetweenTheFramesOfOthers) {
  ServerProcess server;
  Watcher other(server);
  const int64_t start = other.ReadStart();
  for (int i = 0; i < 5; ++i) RunToEnd(server.tasks(), LuaRequest("return 1"));
  (void)other.ReadEnds(5);
  for (int64_t position = start + 1; position < start + 15; ++position) {
    Watcher again(server, position);
    EXPECT_EQ(again.ReadStart(), position);
    RunToEnd(server.tasks(), LuaRequest("return 1"));
    v1::WatchQueueResponse frame;
    int64_t last = position;
    int64_t events = 0;
    while (last < start + 15 + 3 * (position - start)) {
      ASSERT_TRUE(again.Read(&frame));
      EXPECT_EQ(frame.events_size(), frame.position() - last);
      last = frame.position();
      events += frame.events_size();
    }
    EXPECT_EQ(events, last - position);
  }
}

TEST(WatchQueue, ADeletedQueueIsNotFound) {
  ServerProcess server;
  v1::CreateTaskRequest request = LuaRequest("task.sleep(60)");
  request.set_parent("queues/q");
  v1::Task task;
  ASSERT_TRUE(Create(server.tasks(), request, &task).ok());
  Watcher watcher(server, 0, "queues/q");
  (void)watcher.ReadStart();
  Watcher second(server, 0, "queues/q");
  (void)second.ReadStart();
  v1::DeleteQueueRequest remove;
  remove.set_name("queues/q");
  v1::DeleteQueueResponse removed;
  const grpc::Status refused = Call(server.queues(), &v1::Queues::Stub::DeleteQueue, remove, &removed);
  EXPECT_EQ(ReasonOf(refused), "QUEUE_NOT_EMPTY");
  remove.set_force(true);
  ASSERT_TRUE(Call(server.queues(), &v1::Queues::Stub::DeleteQueue, remove, &removed).ok());
  EXPECT_EQ(removed.deleted_task_count(), 1);
  EXPECT_EQ(ReadToEnd(watcher).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(ReadToEnd(second).error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Call(server.queues(), &v1::Queues::Stub::DeleteQueue, remove, &removed).error_code(),
            grpc::StatusCode::NOT_FOUND);
  remove.set_allow_missing(true);
  EXPECT_TRUE(Call(server.queues(), &v1::Queues::Stub::DeleteQueue, remove, &removed).ok());
  // The script's slot is free again, and so is the name.
  request.mutable_task()->mutable_lua()->set_source("return 1");
  EXPECT_TRUE(RunToEnd(server.tasks(), request).status.ok());
}

TEST(WatchQueue, APositionThatIsNotKeptIsOutOfRange) {
  ServerProcess server;
  RunToEnd(server.tasks(), LuaRequest("return 1"));
  Watcher watcher(server, 1'000'000'000'000);
  const grpc::Status status = ReadToEnd(watcher);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE) << status.error_message();
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->metadata().count("oldest_position"), 1u);
  EXPECT_EQ(info->metadata().count("latest_position"), 1u);
}

// Without --data_dir as well: positions that went on from 1 would pass over what has happened since.
TEST(WatchQueue, APositionOfAServerBeforeItsRestartIsRefused) {
  int64_t position;
  {
    ServerProcess before;
    Watcher watcher(before);
    watcher.ReadStart();
    RunToEnd(before.tasks(), LuaRequest("return 1"));
    watcher.ReadEnds(1);
    position = watcher.position();
    ASSERT_EQ(before.Stop(), 0);
  }
  ServerProcess after;
  Watcher other(after);  // So that the queue has a log.
  other.ReadStart();
  for (int i = 0; i < 20; ++i) RunToEnd(after.tasks(), LuaRequest("return 1"));
  Watcher watcher(after, position);
  const grpc::Status status = ReadToEnd(watcher);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE) << status.error_message();
  EXPECT_EQ(ReasonOf(status), "POSITION_UNKNOWN");
  // All that is kept is there for who resumes before the oldest.
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  ASSERT_TRUE(info.has_value());
  int64_t oldest = 0;
  ASSERT_TRUE(absl::SimpleAtoi(info->metadata().at("oldest_position"), &oldest));
  Watcher again(after, oldest - 1);
  EXPECT_EQ(again.ReadStart(), oldest - 1);
  EXPECT_EQ(again.ReadEnds(20).size(), 60u);
}

TEST(WatchQueue, WhatIsWrongIsNamed) {
  ServerProcess server;
  Watcher negative(server, -1);
  EXPECT_EQ(FieldOf(ReadToEnd(negative)), "after_position");
  Watcher all(server, 0, "queues/-");
  EXPECT_EQ(FieldOf(ReadToEnd(all)), "parent");
}

TEST(WatchQueue, EndsWithUnavailableWhenTheServerShutsDown) {
  ServerProcess server({"--drain_timeout=100ms"});
  Watcher idle(server);
  const int64_t start = idle.ReadStart();
  Watcher resumed(server, start);
  resumed.ReadStart();
  server.Signal(SIGTERM);
  for (Watcher* watcher : {&idle, &resumed}) {
    const grpc::Status status = ReadToEnd(*watcher);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
    EXPECT_EQ(ReasonOf(status), "SHUTTING_DOWN");
  }
  EXPECT_EQ(server.Wait(), 0);
}

TEST(WatchQueue, ClientsThatHaveGoneLeaveNothingBehind) {
  ServerProcess server({"--drain_timeout=100ms"});
  for (int i = 0; i < 50; ++i) {
    Watcher watcher(server);
    watcher.ReadStart();
    watcher.Cancel();
    EXPECT_EQ(ReadToEnd(watcher).error_code(), grpc::StatusCode::CANCELLED);
  }
  EXPECT_EQ(RunToEnd(server.tasks(), LuaRequest("return 1")).end.state(), v1::TASK_STATE_SUCCEEDED);
  EXPECT_EQ(server.Stop(), 0);
}

}  // namespace
}  // namespace errand
