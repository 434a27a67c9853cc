#include "tests/client/command_test.h"

namespace errand {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class RunCommandTest : public CommandTest {
 protected:
  RunCommandTest() {
    fake_.run = [this](auto&, const v1::RunTaskRequest& request, auto& writer) {
      request_ = request.create();
      for (const v1::TaskEvent& event : events_) Send(writer, {event});
      return grpc::Status::OK;
    };
    fake_.get = [](auto&, const v1::GetTaskRequest& request, v1::GetTaskResponse& response) {
      *response.mutable_task() = TaskIn(v1::TASK_STATE_SUCCEEDED);
      response.mutable_task()->set_name(request.name());
      return grpc::Status::OK;
    };
  }

  std::vector<v1::TaskEvent> events_ = {StateEvent(1, v1::TASK_STATE_QUEUED),
                                        StateEvent(2, v1::TASK_STATE_RUNNING), OutputEvent(3, "hello\n"),
                                        LogEvent(4, "halfway"), ResultEvent(5, "{\"a\":1}")};
  v1::CreateTaskRequest request_;
};

TEST_F(RunCommandTest, TableKeepsTheResultApartFromAllElse) {
  Run({"run", "lua", File("x.lua", "return 1")});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "{\"a\":1}");
  EXPECT_EQ(err_,
            "   1  17:46:40.000  queued\n"
            "   2  17:46:40.000  running    attempt 1\n"
            "   3  17:46:40.000  output     hello\n"
            "   4  17:46:40.000  log        info: halfway\n"
            "   5  17:46:40.000  succeeded  application/json, 7 bytes\n");
  EXPECT_EQ(request_.task().lua().source(), "return 1");
}

TEST_F(RunCommandTest, QuietLeavesTheResultAlone) {
  Run({"run", "lua", "-q", File("x.lua", "return 1")});
  EXPECT_EQ(code_, 0);
  EXPECT_EQ(out_, "{\"a\":1}");
  EXPECT_THAT(err_, IsEmpty());
}

TEST_F(RunCommandTest, JsonlPrintsEveryEventAsALine) {
  Run({"run", "lua", File("x.lua", "return 1"), "-o", "jsonl"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(std::count(out_.begin(), out_.end(), '\n'), 5);
  EXPECT_THAT(out_, HasSubstr("{\"sequence\":\"4\",\"task\":\"queues/default/tasks/t\","));
  EXPECT_THAT(err_, IsEmpty());
}

TEST_F(RunCommandTest, JsonPrintsTheEndedTask) {
  Run({"run", "lua", File("x.lua", "return 1"), "-o", "json"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "{\n \"name\": \"queues/default/tasks/t\",\n \"state\": \"TASK_STATE_SUCCEEDED\"\n}\n");
}

TEST_F(RunCommandTest, AFailedTaskGivesItsTracebackAndExitCode1) {
  events_ = {StateEvent(1, v1::TASK_STATE_QUEUED),
             ErrorEvent(2, "script:1: boom\nstack traceback:\n\t[C]: in ?")};
  Run({"run", "lua", File("x.lua", "error('boom')")});
  EXPECT_EQ(code_, 1);
  EXPECT_THAT(out_, IsEmpty());
  EXPECT_THAT(err_, HasSubstr("failed     LUA_ERROR: script:1: boom\n"
                              "errand: queues/default/tasks/t failed (LUA_ERROR: script:1: boom)\n"
                              "stack traceback:\n\t[C]: in ?\n"));
}

TEST_F(RunCommandTest, CancelledAndExpiredTasksGiveExitCode1) {
  events_ = {StateEvent(1, v1::TASK_STATE_CANCELLED)};
  Run({"run", "lua", File("x.lua", "return 1")});
  EXPECT_EQ(code_, 1);
  EXPECT_THAT(err_, HasSubstr("errand: queues/default/tasks/t was cancelled\n"));
  events_ = {StateEvent(1, v1::TASK_STATE_EXPIRED)};
  Run({"run", "lua", File("x.lua", "return 1")});
  EXPECT_EQ(code_, 1);
  EXPECT_THAT(err_, HasSubstr("errand: queues/default/tasks/t expired\n"));
}

TEST_F(RunCommandTest, ControlCharactersOfATaskAreNotPassedOn) {
  events_ = {LogEvent(1, "a\x1b]0;title\x07"), OutputEvent(2, "b\x1b[2J\nc\xc2\x9b\xff\n"),
             ErrorEvent(3, "d\x1b[1mé\x7f\nline\r2")};
  Run({"run", "lua", File("x.lua", "return 1")});
  EXPECT_EQ(code_, 1);
  EXPECT_THAT(err_, Not(HasSubstr("\x1b")));
  EXPECT_THAT(err_, HasSubstr("info: a\\x1b]0;title\\x07\n"));
  EXPECT_THAT(err_, HasSubstr("output     b\\x1b[2J\n"));
  EXPECT_THAT(err_, HasSubstr("output     c\\xc2\\x9b\\xff\n"));
  EXPECT_THAT(err_, HasSubstr("(LUA_ERROR: d\\x1b[1mé\\x7f)\nline\\x0d2\n"));
}

TEST_F(RunCommandTest, TheResultIsPassedOnByteForByte) {
  const std::string data("\x00\x1b[31m\xff\n", 8);
  events_ = {ResultEvent(1, data)};
  Run({"run", "lua", File("x.lua", "return 1")});
  EXPECT_EQ(out_, data);
}

TEST_F(RunCommandTest, AScriptMayComeFromStandardInput) {
  CommandOptions options;
  options.input = "return 'stdin'";
  Run({"run", "lua", "-"}, options);
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(request_.task().lua().source(), "return 'stdin'");
}

TEST_F(RunCommandTest, LuaFlagsReachTheServer) {
  Run({"run",
       "--server=grpc://" + fake_.address(),
       "lua",
       File("x.lua", "return 1"),
       "--payload=[1,2]",
       "--queue",
       "mail",
       "--id",
       "t-1",
       "--request-id=r",
       "--label",
       "a=1",
       "--label=b=c=d",
       "--priority",
       "7",
       "--run-timeout",
       "1m30s",
       "--max-attempts=3",
       "--memory",
       "2MiB",
       "--cpu-time=5s",
       "--ordering-key=customer-7",
       "--ttl=1h",
       "--at",
       "2030-01-31T08:00:00Z"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(request_.parent(), "queues/mail");
  EXPECT_EQ(request_.task_id(), "t-1");
  EXPECT_EQ(request_.request_id(), "r");
  const v1::Task& task = request_.task();
  EXPECT_EQ(task.lua().text(), "[1,2]");
  EXPECT_THAT(task.labels(), UnorderedElementsAre(Pair("a", "1"), Pair("b", "c=d")));
  EXPECT_EQ(task.priority(), 7);
  EXPECT_EQ(task.run_timeout().seconds(), 90);
  EXPECT_EQ(task.limits().cpu_time().seconds(), 5);
  EXPECT_EQ(task.retry_policy().max_attempts(), 3);
  EXPECT_EQ(task.limits().memory_bytes(), 2 << 20);
  EXPECT_EQ(task.schedule_time().seconds(), 1896076800);
  EXPECT_EQ(task.ordering_key(), "customer-7");
  EXPECT_EQ(task.ttl().seconds(), 3600);
  Run({"run", "lua", File("x.lua", "return 1"), "--expire-at=2030-01-31T08:00:00Z"});
  EXPECT_EQ(request_.task().expire_time().seconds(), 1896076800);
}

TEST_F(RunCommandTest, APayloadMayBeAFileOrAnyBytes) {
  const std::string script = File("x.lua", "return 1");
  Run({"run", "lua", script, "--payload=@" + File("text", "{\"n\": 3}\n")});
  EXPECT_EQ(request_.task().lua().text(), "{\"n\": 3}\n");
  Run({"run", "lua", script, "--payload=@" + File("bytes", "\xff\x01")});
  EXPECT_EQ(request_.task().lua().data(), "\xff\x01");
  Run({"run", "lua", script, "--payload=@@home"});
  EXPECT_EQ(request_.task().lua().text(), "@home");
}

TEST_F(RunCommandTest, EmailFlagsReachTheServer) {
  events_ = {StateEvent(1, v1::TASK_STATE_QUEUED), StateEvent(2, v1::TASK_STATE_FAILED)};
  v1::EmailReceipt& receipt = *events_[1].mutable_state()->mutable_result()->mutable_email();
  for (const char* address : {"a@example.com", "long.name@example.com"}) {
    v1::RecipientReply& reply = *receipt.add_recipients();
    reply.set_address(address);
    reply.set_accepted(address[0] == 'a');
    reply.mutable_reply()->set_code(address[0] == 'a' ? 250 : 550);
    reply.mutable_reply()->set_text(address[0] == 'a' ? "Ok" : "no such user\ntry again");
  }
  const std::string attachment = File("report.pdf", std::string("%PDF\x00\xff", 6));
  Run({"run", "email", "--from", "Me <me@example.com>", "--to", "a@example.com", "--to=long.name@example.com",
       "--cc=c@example.com", "--bcc=b@example.com", "--reply-to=r@example.com", "--subject=Grüße",
       "--text=@" + File("body", "Hello\n"), "--html=<p>Hello</p>", "--header", "X-Mood: good: very",
       "--attach", attachment});
  EXPECT_EQ(code_, 1) << err_;
  EXPECT_EQ(out_,
            "accepted  a@example.com          250 Ok\n"
            "refused   long.name@example.com  550 no such user\\ntry again\n");
  EXPECT_THAT(err_, HasSubstr("failed     1 of 2 recipients accepted\n"));
  const v1::EmailTask& email = request_.task().email();
  EXPECT_EQ(email.from(), "Me <me@example.com>");
  EXPECT_THAT(email.to(), ElementsAre("a@example.com", "long.name@example.com"));
  EXPECT_THAT(email.cc(), ElementsAre("c@example.com"));
  EXPECT_THAT(email.bcc(), ElementsAre("b@example.com"));
  EXPECT_EQ(email.reply_to(), "r@example.com");
  EXPECT_EQ(email.subject(), "Grüße");
  EXPECT_EQ(email.text(), "Hello\n");
  EXPECT_EQ(email.html(), "<p>Hello</p>");
  EXPECT_THAT(email.headers(), UnorderedElementsAre(Pair("X-Mood", "good: very")));
  ASSERT_EQ(email.attachments_size(), 1);
  EXPECT_THAT(email.attachments(0).filename(), ::testing::EndsWith("report.pdf"));
  EXPECT_EQ(email.attachments(0).content_type(), "application/pdf");
  EXPECT_EQ(email.attachments(0).data().size(), 6);
}

TEST_F(RunCommandTest, ALostStreamIsResumedWithoutANoise) {
  int calls = 0;
  fake_.run = [&](auto&, const v1::RunTaskRequest&, auto& writer) {
    if (++calls == 1) return Unavailable();
    Send(writer, {StateEvent(1, v1::TASK_STATE_QUEUED)});
    return Unavailable();
  };
  fake_.watch = [&](auto&, const v1::WatchTaskRequest& request, auto& writer) {
    EXPECT_EQ(request.after_sequence(), 1);
    Send(writer, {ResultEvent(2, "7")});
    return grpc::Status::OK;
  };
  Run({"run", "lua", File("x.lua", "return 7")});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "7");
  EXPECT_EQ(err_, "   1  17:46:40.000  queued\n   2  17:46:40.000  succeeded  application/json, 1 bytes\n");
}

}  // namespace
}  // namespace errand
