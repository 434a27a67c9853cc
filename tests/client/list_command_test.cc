#include <signal.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "tests/client/command_test.h"

// The verbs for tasks in the plural: list, retry, delete, and watch of a queue.
namespace errand {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ListCommandTest : public CommandTest {
 protected:
  static v1::Task TaskNamed(const std::string& name, v1::TaskState state) {
    v1::Task task = TaskIn(state);
    task.set_name(name);
    task.mutable_lua();
    task.mutable_create_time()->set_seconds(1'900'000'000);
    return task;
  }
};

TEST_F(ListCommandTest, ListPrintsATable) {
  v1::ListTasksRequest sent;
  fake_.list = [&](auto&, const v1::ListTasksRequest& request, v1::ListTasksResponse& response) {
    if (request.page_token().empty()) {
      sent = request;
      *response.add_tasks() = TaskNamed("queues/q/tasks/a", v1::TASK_STATE_QUEUED);
      response.set_next_page_token("2");
    } else {
      v1::Task& task = *response.add_tasks();
      task = TaskNamed("queues/q/tasks/long-name", v1::TASK_STATE_FAILED);
      task.set_attempt_count(3);
      *task.mutable_error() = ErrorEvent(1, "boom\x1b[0m\ntraceback").state().error();
    }
    return grpc::Status::OK;
  };
  Run({"list", "--queue=q", "--filter", "state = FAILED"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_,
            "NAME                      STATE   KIND  ATTEMPTS  CREATED                        DETAIL\n"
            "queues/q/tasks/a          queued  lua   0         2030-03-17 17:46:40.000+00:00\n"
            "queues/q/tasks/long-name  failed  lua   3         2030-03-17 17:46:40.000+00:00  "
            "LUA_ERROR: boom\\x1b[0m\n");
  EXPECT_EQ(sent.parent(), "queues/q");
  EXPECT_EQ(sent.filter(), "state = FAILED");
  Run({"list", "--queue=-"});
  EXPECT_EQ(sent.parent(), "queues/-");
  Run({"list"});
  EXPECT_EQ(sent.parent(), "queues/default");
}

TEST_F(ListCommandTest, StatesAreTakenInAnyCaseAndJoinTheFilter) {
  v1::ListTasksRequest sent;
  fake_.list = [&](auto&, const v1::ListTasksRequest& request, v1::ListTasksResponse&) {
    sent = request;
    return grpc::Status::OK;
  };
  Run({"list", "--state", "failed"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(sent.filter(), "state = FAILED");
  Run({"list", "--state=Failed", "--state=EXPIRED", "--filter", "handler = lua OR labels:a"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(sent.filter(), "(handler = lua OR labels:a) AND (state = FAILED OR state = EXPIRED)");
  Run({"list", "-o", "JSON"});
  EXPECT_EQ(code_, 0) << err_;
}

TEST_F(ListCommandTest, WideCharactersTakeTwoColumns) {
  fake_.list = [&](auto&, const v1::ListTasksRequest&, v1::ListTasksResponse& response) {
    *response.add_tasks() = TaskNamed("queues/q/tasks/\u65e5\u672c", v1::TASK_STATE_QUEUED);
    *response.add_tasks() = TaskNamed("queues/q/tasks/abcd", v1::TASK_STATE_QUEUED);
    return grpc::Status::OK;
  };
  Run({"list"});
  EXPECT_THAT(out_, HasSubstr("queues/q/tasks/\u65e5\u672c  queued"));
  EXPECT_THAT(out_, HasSubstr("queues/q/tasks/abcd  queued"));
}

TEST_F(ListCommandTest, ListStopsAtItsLimit) {
  int calls = 0;
  fake_.list = [&](auto&, const v1::ListTasksRequest& request, v1::ListTasksResponse& response) {
    ++calls;
    EXPECT_EQ(request.page_size(), 3);
    for (const char* name : {"a", "b"}) {
      *response.add_tasks() = TaskNamed(absl::StrCat("queues/q/tasks/", name, calls), v1::TASK_STATE_QUEUED);
    }
    response.set_next_page_token("more");
    return grpc::Status::OK;
  };
  Run({"list", "--limit=3", "-o", "jsonl"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 3);
  EXPECT_THAT(out_, HasSubstr("{\"name\":\"queues/q/tasks/a2\",\"state\":\"TASK_STATE_QUEUED\","));
  EXPECT_EQ(calls, 2);
}

TEST_F(ListCommandTest, JsonOfAListIsOneDocumentWhateverItHolds) {
  int count = 1;
  fake_.list = [&](auto&, const v1::ListTasksRequest&, v1::ListTasksResponse& response) {
    for (int i = 0; i < count; ++i) *response.add_tasks() = TaskIn(v1::TASK_STATE_QUEUED);
    return grpc::Status::OK;
  };
  Run({"list", "-o", "json"});
  EXPECT_EQ(out_,
            "{\n \"tasks\": [\n  {\n   \"name\": \"queues/default/tasks/t\",\n   \"state\": "
            "\"TASK_STATE_QUEUED\"\n  }\n ]\n}\n");
  count = 0;
  Run({"list", "-o", "json"});
  EXPECT_EQ(out_, "{\n \"tasks\": []\n}\n");
  Run({"list"});
  EXPECT_EQ(code_, 0);
  EXPECT_THAT(out_, IsEmpty());
  EXPECT_EQ(err_, "errand: no tasks\n");
}

TEST_F(ListCommandTest, AFilterThatIsWrongGivesExitCode2) {
  fake_.list = [](auto&, const v1::ListTasksRequest&, v1::ListTasksResponse&) {
    return InvalidField("filter", "there is no field 'stat'");
  };
  Run({"list", "--filter=stat = x"});
  EXPECT_EQ(code_, 2);
  EXPECT_EQ(err_, "errand: the server refuses the request (filter: there is no field 'stat')\n");
}

TEST_F(ListCommandTest, RetryTakesSeveralTasksAndTriesAllOfThem) {
  fake_.retry = [](auto&, const v1::RetryTaskRequest& request, v1::RetryTaskResponse& response) {
    if (request.name() == "queues/q/tasks/b") return NotFound(request.name());
    *response.mutable_task() = TaskNamed(request.name(), v1::TASK_STATE_QUEUED);
    return grpc::Status::OK;
  };
  Run({"retry", "--queue=q", "a", "b", "p/c"});
  EXPECT_EQ(code_, 3);
  EXPECT_EQ(out_, "queues/q/tasks/a\nqueues/p/tasks/c\n");
  EXPECT_THAT(err_, HasSubstr("errand: there is no task 'queues/q/tasks/b'"));
  Run({"retry", "a", "-o", "jsonl"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_THAT(out_, HasSubstr("{\"name\":\"queues/default/tasks/a\",\"state\":\"TASK_STATE_QUEUED\""));
}

TEST_F(ListCommandTest, DeleteForgetsTasks) {
  std::vector<std::string> names;
  fake_.remove = [&](auto&, const v1::DeleteTaskRequest& request, v1::DeleteTaskResponse&) {
    names.push_back(request.name());
    return grpc::Status::OK;
  };
  Run({"delete", "a", "b"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "queues/default/tasks/a\nqueues/default/tasks/b\n");
  EXPECT_THAT(names, ElementsAre("queues/default/tasks/a", "queues/default/tasks/b"));
  Run({"delete", "a", "-o", "json"});
  EXPECT_EQ(out_, "{\n \"tasks\": [\n  {\n   \"name\": \"queues/default/tasks/a\"\n  }\n ]\n}\n");
}

TEST_F(ListCommandTest, AnAbsentServerIsAskedOnceForAll) {
  Run({"delete", "a", "b", "--server=127.0.0.1:1", "--retry-for=100ms"});
  EXPECT_EQ(code_, 4);
  EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 2) << err_;
}

TEST_F(ListCommandTest, WatchOfAQueuePrintsAllTasksUntilInterruptedAndSaysHowToGoOn) {
  fake_.watch_queue = [](grpc::ServerContext& context, const v1::WatchQueueRequest& request, auto& writer) {
    EXPECT_EQ(request.parent(), "queues/q");
    v1::WatchQueueResponse response;
    response.set_position(7);
    writer.Write(response);
    *response.add_events() = LogEvent(4, "one");
    *response.add_events() = ResultEvent(9, "1");
    response.set_position(9);
    writer.Write(response);
    return BlockUntilCancelled(context);
  };
  const std::unique_ptr<Command> command = Start({"watch", "--queue=q"});
  command->WaitForText("succeeded");
  command->Signal(SIGINT);
  EXPECT_EQ(command->Wait(), 130);
  EXPECT_EQ(
      command->out(),
      "t                                        4  17:46:40.000  log        info: one\n"
      "t                                        9  17:46:40.000  succeeded  application/json, 1 bytes\n");
  EXPECT_EQ(command->err(),
            absl::StrCat("errand: interrupted\n  go on:  errand watch --queue=q --after=9 --server=",
                         fake_.address(), "\n"));
}

TEST_F(ListCommandTest, WatchSaysHowManyEventsAreLostAndGoesOn) {
  fake_.watch = [](auto&, const v1::WatchTaskRequest& request, auto& writer) {
    if (request.after_sequence() < 14) return OutOfRange("sequence", 15, 16);
    Send(writer, {ResultEvent(15, "1")});
    return grpc::Status::OK;
  };
  Run({"watch", "t", "--after=3"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "  15  17:46:40.000  succeeded  application/json, 1 bytes\n");
  EXPECT_EQ(err_, "errand: 11 events of queues/default/tasks/t after 3 are no longer kept\n");
}

TEST_F(ListCommandTest, RunWhoseStreamWasAwayTooLongSaysWhatItMissed) {
  fake_.run = [](auto&, const v1::RunTaskRequest&, auto& writer) {
    Send(writer, {StateEvent(1, v1::TASK_STATE_QUEUED)});
    return Unavailable();
  };
  fake_.watch = [](auto&, const v1::WatchTaskRequest& request, auto& writer) {
    if (request.after_sequence() == 1) return OutOfRange("sequence", 3, 3);
    Send(writer, {ResultEvent(3, "1")});
    return grpc::Status::OK;
  };
  Run({"run", "-q", "lua", "/dev/null"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "1");
  EXPECT_EQ(err_, "errand: 1 event of queues/default/tasks/t after 1 is no longer kept\n");
}

TEST_F(ListCommandTest, GetShowsTheHistoryOfATaskThatWasRepeated) {
  fake_.get = [](auto&, const v1::GetTaskRequest&, v1::GetTaskResponse& response) {
    v1::Task& task = *response.mutable_task();
    task = TaskIn(v1::TASK_STATE_SUCCEEDED);
    task.set_attempt_count(2);
    task.set_ordering_key("k");
    for (int number : {1, 2}) {
      v1::Attempt& attempt = *task.add_attempts();
      attempt.set_number(number);
      attempt.mutable_start_time()->set_seconds(1'900'000'000 + number);
      attempt.mutable_usage()->mutable_wall_time()->set_seconds(number);
    }
    *task.mutable_attempts(0)->mutable_error() = ErrorEvent(1, "boom").state().error();
    task.mutable_attempts(0)->mutable_error()->add_details()->set_type_url("x/example.FromTheFuture");
    return grpc::Status::OK;
  };
  Run({"get", "t"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_THAT(out_, HasSubstr("ordering  k\n"));
  EXPECT_THAT(out_, HasSubstr("history   1  2030-03-17 17:46:41.000+00:00  1s  LUA_ERROR: boom\n"
                              "          2  2030-03-17 17:46:42.000+00:00  2s\n"));
  Run({"get", "t", "-o", "jsonl"});
  EXPECT_THAT(out_, HasSubstr("\"reason\":\"LUA_ERROR\""));
}

}  // namespace
}  // namespace errand
