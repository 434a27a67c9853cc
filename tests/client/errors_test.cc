#include "tests/client/command_test.h"

// What a person gets for what goes wrong: the first line of standard error, and the exit code.
namespace errand {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ErrorsTest : public CommandTest {
 protected:
  void ExpectUsage(std::vector<std::string> arguments, const std::string& message) {
    Run(arguments);
    EXPECT_EQ(code_, 2) << ::testing::PrintToString(arguments);
    EXPECT_THAT(out_, IsEmpty());
    EXPECT_THAT(err_, StartsWith("errand: " + message)) << ::testing::PrintToString(arguments);
  }
};

TEST_F(ErrorsTest, HelpAndVersionExitWith0OnEveryCommand) {
  const std::vector<std::vector<std::string>> commands = {{},
                                                          {"run"},
                                                          {"run", "lua"},
                                                          {"run", "email"},
                                                          {"submit"},
                                                          {"submit", "lua"},
                                                          {"submit", "email"},
                                                          {"get"},
                                                          {"list"},
                                                          {"wait"},
                                                          {"watch"},
                                                          {"cancel"},
                                                          {"retry"},
                                                          {"delete"},
                                                          {"health"},
                                                          {"completion"},
                                                          {"queue"},
                                                          {"queue", "list"},
                                                          {"queue", "get"},
                                                          {"queue", "set"},
                                                          {"queue", "pause"},
                                                          {"queue", "resume"},
                                                          {"queue", "purge"},
                                                          {"queue", "stats"},
                                                          {"script"},
                                                          {"script", "create"},
                                                          {"script", "get"},
                                                          {"script", "list"},
                                                          {"script", "delete"},
                                                          {"script", "validate"}};
  for (std::vector<std::string> command : commands) {
    command.push_back("--help");
    Run(command);
    EXPECT_EQ(code_, 0) << ::testing::PrintToString(command);
    EXPECT_THAT(out_, HasSubstr("--server HOST:PORT"));
    EXPECT_THAT(out_, HasSubstr("Exit codes: 0 done"));
    EXPECT_THAT(err_, IsEmpty());
    command.back() = "--version";
    Run(command);
    EXPECT_EQ(code_, 0) << ::testing::PrintToString(command);
    EXPECT_THAT(out_, StartsWith("errand "));
    EXPECT_THAT(err_, IsEmpty());
  }
}

TEST_F(ErrorsTest, AWordThatNobodyKnowsGetsASuggestion) {
  ExpectUsage({"lits"}, "wrong usage (there is no command 'lits'; did you mean 'list'?)");
  ExpectUsage({"--quiet", "wacth", "t"}, "wrong usage (there is no command 'wacth'; did you mean 'watch'?");
  ExpectUsage({"queue", "puase", "q"}, "wrong usage (there is no command 'puase'; did you mean 'pause'?");
  ExpectUsage({"queue", "frobnicate"}, "wrong usage (there is no command 'frobnicate')");
  ExpectUsage({"run", "lau", "x.lua"}, "wrong usage (there is no command 'lau'; did you mean 'lua'?");
  ExpectUsage({"list", "--filtre", "x"}, "wrong usage (there is no flag --filtre; did you mean '--filter'?");
  ExpectUsage({"list", "--filtre=x"}, "wrong usage (there is no flag --filtre; did you mean '--filter'?");
  ExpectUsage({"--sevrer=x", "list"}, "wrong usage (there is no flag --sevrer; did you mean '--server'?");
  ExpectUsage({"list", "-o", "tabel"},
              "wrong usage (--output: 'tabel' is not one of table, json, jsonl; did you mean 'table'?");
  ExpectUsage({"list", "--state", "faild"},
              "wrong usage (--state: 'faild' is not one of scheduled, queued, running, succeeded, failed, "
              "cancelled, expired; "
              "did you mean 'failed'?)");
  ExpectUsage({"completion", "bsh"},
              "wrong usage (SHELL: 'bsh' is not one of bash, zsh, fish; did you mean 'bash'?");
}

TEST_F(ErrorsTest, WrongUsageNamesTheFlagAndExitsWith2) {
  const std::string script = File("x.lua", "return 1");
  ExpectUsage({}, "wrong usage");
  ExpectUsage({"frobnicate"}, "wrong usage (");
  ExpectUsage({"get"}, "wrong usage (NAME is required)");
  ExpectUsage({"run"}, "wrong usage (run: needs lua, email or --json)");
  ExpectUsage({"run", "lua", script, "--nonsense"}, "wrong usage (");
  ExpectUsage({"run", "lua", script, "--run-timeout=5x"},
              "wrong usage (--run-timeout: '5x' is not a duration");
  ExpectUsage({"run", "lua", script, "--timeout=-5s"}, "wrong usage (--timeout: '-5s' is not a duration");
  ExpectUsage({"run", "lua", script, "--at=tomorrow"}, "wrong usage (--at: 'tomorrow' is not a time");
  ExpectUsage({"run", "lua", script, "--at=2030-01-31T08:00:00Z", "--delay=1s"}, "wrong usage (--");
  ExpectUsage({"run", "lua", script, "--label=x"}, "wrong value (--label: 'x' is not KEY=VALUE)");
  ExpectUsage({"run", "lua", script, "--max-attempts=0"}, "wrong usage (--max-attempts: '0' is not");
  ExpectUsage({"run", "lua", script, "--priority=high"}, "wrong usage (");
  ExpectUsage({"run", "lua", script, "--payload=@/nonexistent"},
              "cannot read --payload (/nonexistent: No such");
  ExpectUsage({"run", "lua", "/nonexistent.lua"}, "cannot read the script (/nonexistent.lua: No such");
  ExpectUsage({"run", "lua", "/"}, "cannot read the script (/: Is a directory)");
  ExpectUsage({"run", "lua", File("bytecode", "\x1bLua\xff")}, "wrong value (FILE: ");
  ExpectUsage({"run", "email", "--header=x"}, "wrong value (--header: 'x' is not 'NAME: VALUE')");
  ExpectUsage({"run", "email", "--subject=\xff"}, "wrong value (--subject: '\\xff' is not UTF-8)");
  ExpectUsage({"watch", "t", "--after=-1"}, "wrong usage (--after: '-1' is not");
  ExpectUsage({"get", "t", "-o", "xml"}, "wrong usage (--output: 'xml' is not one of table, json, jsonl)");
  ExpectUsage({"run", "lua", script, "--ttl=1s", "--expire-at=2030-01-31T08:00:00Z"}, "wrong usage (--");
  ExpectUsage({"run", "lua", script, "--ttl=0"}, "wrong usage (--ttl: '0' is not a duration of more than");
  ExpectUsage({"submit"}, "wrong usage (submit: needs lua, email, --json or --batch)");
  ExpectUsage({"submit", "--batch", script, "lua", script}, "wrong usage (--batch: does not go with");
  ExpectUsage({"submit", "--batch", script, "--id=x"}, "wrong usage (--id: does not go with --batch)");
  ExpectUsage({"submit", "--keep-going", "--json", script}, "wrong usage (--keep-going requires --batch)");
  ExpectUsage({"submit", "--batch", "/nonexistent"}, "cannot read the batch (/nonexistent: No such");
  ExpectUsage({"watch"}, "wrong usage (watch: needs NAME or --queue)");
  ExpectUsage({"watch", "--queue=q", "-o", "json"}, "wrong usage (--output: json has an end");
  ExpectUsage({"list", "--limit=0"}, "wrong usage (--limit: '0' is not");
  ExpectUsage({"retry"}, "wrong usage (TASK is required)");
  ExpectUsage({"delete"}, "wrong usage (TASK is required)");
  ExpectUsage({"queue"}, "wrong usage (");
  ExpectUsage({"queue", "get"}, "wrong usage (QUEUE is required)");
  ExpectUsage({"queue", "set", "q"}, "wrong usage (set: needs a setting, --rate=10/s for example)");
  ExpectUsage({"queue", "set", "q", "--rate=10/d"}, "wrong usage (--rate: '10/d' is not a rate such as");
  ExpectUsage({"queue", "set", "q", "--rate=-1"}, "wrong usage (--rate: '-1' is not a rate such as");
  ExpectUsage({"queue", "set", "q", "--rate=nan"}, "wrong usage (--rate: 'nan' is not a rate such as");
  ExpectUsage({"queue", "set", "q", "--burst=-1"}, "wrong usage (--burst: '-1' is not");
  ExpectUsage({"queue", "set", "q", "--min-backoff=-1s"}, "wrong usage (--min-backoff: '-1s' is not");
  ExpectUsage({"completion", "tcsh"}, "wrong usage (SHELL: ");
  ExpectUsage({"submit", "--json", script, "lua", script}, "wrong usage (--json: does not go with");
}

TEST_F(ErrorsTest, WrongJsonNamesTheField) {
  const auto expect = [&](const std::string& json, const std::string& message) {
    ExpectUsage({"submit", "--json", File("r.json", json)}, "");
    EXPECT_THAT(err_, HasSubstr(message)) << json;
    EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1) << err_;
  };
  expect(R"({"lua": {"sourc": "x"}})", "is not a valid Task (lua.sourc: there is no such field)");
  expect(R"({"luaa": {}})", "is not a valid Task (luaa: there is no such field)");
  // Whichever of the two was meant, the field to blame is named.
  expect(R"({"parent": "queues/q", "tsk": {}})", "(tsk: there is no such field)");
  expect(R"({"tsk": {}, "parent": "queues/q"})", "(tsk: there is no such field)");
  expect(R"({"task": {"lua": {"sourc": "x"}}})",
         "is not a valid CreateTaskRequest (task.lua.sourc: there is no such field)");
  expect(R"({"email": {"attachments": [{"name": "x"}]}})",
         "(email.attachments[0].name: there is no such field)");
  expect(R"({"priority": "high"})", "(priority: \"high\" is not a whole number in range)");
  expect(R"({"runTimeout": "5"})", "(run_timeout: must be a duration such as \"5s\")");
  expect(R"({"durability": "PAPER"})", "(durability: \"PAPER\" is not a valid Durability)");
  expect(R"({"lua": {}, "email": {}})", "only one of its kinds may be given");
  expect(R"({"lua": )", "is not a valid JSON object (");
  expect("[1]", "is not a valid JSON object (");
  expect("", "is not a valid JSON object (");
}

TEST_F(ErrorsTest, FieldViolationsOfTheServerAreListed) {
  fake_.create = [](auto&, const v1::CreateTaskRequest&, v1::CreateTaskResponse&) {
    return InvalidField("task.lua.source", "must not be empty");
  };
  Run({"submit", "lua", "/dev/null"});
  EXPECT_EQ(code_, 2);
  EXPECT_EQ(err_, "errand: the server refuses the request (task.lua.source: must not be empty)\n");
}

TEST_F(ErrorsTest, AMissingTaskGivesExitCode3) {
  fake_.get = [](auto&, const v1::GetTaskRequest& request, v1::GetTaskResponse&) {
    return NotFound(request.name());
  };
  Run({"get", "t"});
  EXPECT_EQ(code_, 3);
  EXPECT_EQ(
      err_,
      "errand: there is no task 'queues/default/tasks/t' (it was never created, or is no longer kept)\n");
}

TEST_F(ErrorsTest, AnUnreachableServerGivesExitCode4AndSaysHowToPointElsewhere) {
  for (const char* verb : {"get", "wait", "watch", "cancel"}) {
    Run({verb, "t", "--server=127.0.0.1:1", "--retry-for=100ms"});
    EXPECT_EQ(code_, 4) << verb;
    EXPECT_EQ(err_,
              "errand: the server at 127.0.0.1:1 cannot be reached (Connection refused)\n"
              "Is it running? Point elsewhere with --server=HOST:PORT or ERRAND_SERVER.\n");
  }
  Run({"health", "--server=127.0.0.1:1"});
  EXPECT_EQ(code_, 4);
}

TEST_F(ErrorsTest, AServerThatShutsDownSaysSo) {
  fake_.get = [](auto&, const v1::GetTaskRequest&, v1::GetTaskResponse&) {
    return Unavailable(absl::Hours(1));
  };
  Run({"get", "t"});
  EXPECT_EQ(code_, 4);
  EXPECT_THAT(err_, HasSubstr("takes no calls now (the server is shutting down)\n"));
}

TEST_F(ErrorsTest, ATimeoutGivesExitCode5AndSaysHowToGoOn) {
  fake_.run = [](grpc::ServerContext& context, const v1::RunTaskRequest&, auto& writer) {
    Send(writer, {StateEvent(1, v1::TASK_STATE_QUEUED)});
    return BlockUntilCancelled(context);
  };
  fake_.wait = [](grpc::ServerContext& context, const v1::WaitTaskRequest&, v1::WaitTaskResponse&) {
    return BlockUntilCancelled(context);
  };
  Run({"run", "lua", "/dev/null", "--timeout=1s"});
  EXPECT_EQ(code_, 5);
  EXPECT_THAT(err_, HasSubstr("errand: queues/default/tasks/t has not ended (--timeout: 1s are over)\n"));
  EXPECT_THAT(err_, HasSubstr("errand watch queues/default/tasks/t --after=1 --server=" + fake_.address()));
  EXPECT_THAT(err_, HasSubstr("errand cancel queues/default/tasks/t --server="));
  Run({"wait", "t", "--timeout=200ms"});
  EXPECT_EQ(code_, 5);
  EXPECT_THAT(err_, StartsWith("errand: queues/default/tasks/t has not ended"));
}

TEST_F(ErrorsTest, ATimeoutBeforeTheFirstEventNamesTheRequest) {
  fake_.run = [](grpc::ServerContext& context, const v1::RunTaskRequest&, auto&) {
    return BlockUntilCancelled(context);
  };
  Run({"run", "lua", "/dev/null", "--timeout=200ms", "--request-id=r-1"});
  EXPECT_EQ(code_, 5);
  EXPECT_THAT(err_, StartsWith("errand: no answer from " + fake_.address()));
  EXPECT_THAT(err_, HasSubstr("--request-id=r-1"));
}

TEST_F(ErrorsTest, OtherErrorsGiveExitCode1) {
  fake_.cancel = [](auto&, const v1::CancelTaskRequest&, v1::CancelTaskResponse&) {
    return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "the task has ended\x1b[0m");
  };
  Run({"cancel", "t"});
  EXPECT_EQ(code_, 1);
  EXPECT_EQ(err_, "errand: the task has ended\\x1b[0m\n");
  Run({"get", "t"});
  EXPECT_EQ(code_, 1);
  EXPECT_THAT(err_, StartsWith("errand: the server does not offer this"));
}

}  // namespace
}  // namespace errand
