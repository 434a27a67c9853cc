#include <signal.h>

#include <atomic>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/client/command_test.h"

// `errand admin dump`.
namespace errand {
namespace {

using ::testing::HasSubstr;

class DumpCommandTest : public CommandTest {
 protected:
  // A page of two tasks.
  static void FillPage(const v1::ListTasksRequest& request, v1::ListTasksResponse& response) {
    for (const char* id : {"a", "b"}) {
      v1::Task& task = *response.add_tasks();
      task.set_name(absl::StrCat("queues/q/tasks/", id, request.page_token()));
      task.mutable_lua()->set_text("payload");
    }
  }
};

TEST_F(DumpCommandTest, EveryTaskOfEveryPageIsALine) {
  v1::ListTasksRequest sent;
  fake_.list = [&](auto&, const v1::ListTasksRequest& request, v1::ListTasksResponse& response) {
    sent = request;
    FillPage(request, response);
    if (request.page_token().empty()) response.set_next_page_token("2");
    return grpc::Status::OK;
  };
  Run({"admin", "dump"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_,
            "{\"name\":\"queues/q/tasks/a\",\"lua\":{\"text\":\"payload\"}}\n"
            "{\"name\":\"queues/q/tasks/b\",\"lua\":{\"text\":\"payload\"}}\n"
            "{\"name\":\"queues/q/tasks/a2\",\"lua\":{\"text\":\"payload\"}}\n"
            "{\"name\":\"queues/q/tasks/b2\",\"lua\":{\"text\":\"payload\"}}\n");
  EXPECT_EQ(err_, "");
  EXPECT_EQ(sent.parent(), "queues/-");
  EXPECT_EQ(sent.view(), v1::TASK_VIEW_FULL);
  Run({"admin", "dump", "--queue=q"});
  EXPECT_EQ(sent.parent(), "queues/q");
}

TEST_F(DumpCommandTest, AServerThatGoesAwayLeavesADumpThatSaysWhereItEnds) {
  fake_.list = [&](auto&, const v1::ListTasksRequest& request, v1::ListTasksResponse& response) {
    if (!request.page_token().empty()) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone");
    FillPage(request, response);
    response.set_next_page_token("2");
    return grpc::Status::OK;
  };
  Run({"admin", "dump", "--retry-for=100ms"});
  EXPECT_EQ(code_, 4);
  EXPECT_THAT(out_, HasSubstr("queues/q/tasks/b"));
  EXPECT_THAT(err_, HasSubstr("cannot be reached (gone)"));
  EXPECT_THAT(err_, HasSubstr("The dump is not complete: it ends after 2 tasks.\n"));
}

TEST_F(DumpCommandTest, AnInterruptedDumpSaysSo) {
  fake_.list = [&](grpc::ServerContext& context, const v1::ListTasksRequest& request,
                   v1::ListTasksResponse& response) {
    if (request.page_token() == "2") return BlockUntilCancelled(context);
    FillPage(request, response);
    response.set_next_page_token("2");
    return grpc::Status::OK;
  };
  CommandOptions options;
  options.output_terminal = true;
  const auto dump = Start({"admin", "dump"}, options);
  dump->WaitForText("queues/q/tasks/b");
  dump->Signal(SIGINT);
  EXPECT_EQ(dump->Wait(), 130);
  EXPECT_THAT(dump->err(), HasSubstr("interrupted\nThe dump is not complete: it ends after 2 tasks.\n"));
}

TEST_F(DumpCommandTest, WhereNobodyReadsItEndsWithTheReason) {
  std::atomic<int> pages = 0;
  fake_.list = [&](auto&, const v1::ListTasksRequest& request, v1::ListTasksResponse& response) {
    ++pages;
    for (int i = 0; i < 1000; ++i) FillPage(request, response);
    response.set_next_page_token("2");
    return grpc::Status::OK;
  };
  CommandOptions options;
  options.output_closed = true;
  Run({"admin", "dump"}, options);
  EXPECT_EQ(code_, 1);
  EXPECT_EQ(err_, "errand: cannot write the output (Broken pipe)\n");
  EXPECT_EQ(pages, 1);
}

TEST_F(DumpCommandTest, ADumpIsLinesOnly) {
  Run({"admin", "dump", "-o", "json"});
  EXPECT_EQ(code_, 2);
  EXPECT_THAT(err_, HasSubstr("a dump is jsonl"));
}

}  // namespace
}  // namespace errand
