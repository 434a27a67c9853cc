#include "tests/client/command_test.h"

// `errand script`, and `--script` of `errand run` and `errand submit`.
namespace errand {
namespace {

using ::testing::HasSubstr;

class ScriptCommandTest : public CommandTest {
 protected:
  ScriptCommandTest() {
    fake_.create_script = [this](auto&, const v1::CreateScriptRequest& request,
                                 v1::CreateScriptResponse& response) {
      sent_ = request;
      *response.mutable_script() = request.script();
      response.mutable_script()->set_name("scripts/" + request.script_id());
      response.mutable_script()->set_version(2);
      return grpc::Status::OK;
    };
    fake_.get_script = [](auto&, const v1::GetScriptRequest& request, v1::GetScriptResponse& response) {
      response.mutable_script()->set_name(request.name());
      response.mutable_script()->set_version(request.version() == 0 ? 9 : request.version());
      response.mutable_script()->set_source("return 1 -- \x1b");
      return grpc::Status::OK;
    };
  }

  v1::CreateScriptRequest sent_;
};

TEST_F(ScriptCommandTest, CreateSendsTheFileAndShowsTheVersion) {
  Run({"script", "create", "report", File("report.lua", "return 1\n")});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_,
            "name      scripts/report\n"
            "version   2\n"
            "source    9 bytes\n");
  EXPECT_EQ(sent_.script_id(), "report");
  EXPECT_EQ(sent_.script().source(), "return 1\n");
  Run({"script", "create", "scripts/report", "-", "-o", "jsonl"}, {{}, "return 2"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "{\"name\":\"scripts/report\",\"source\":\"return 2\",\"version\":\"2\"}\n");
  EXPECT_EQ(sent_.script_id(), "report");
}

TEST_F(ScriptCommandTest, ASyntaxErrorIsSaidAsCompilersDo) {
  int column = 0;
  fake_.create_script = [&](auto&, const v1::CreateScriptRequest&, v1::CreateScriptResponse&) {
    return SyntaxError(3, column, "unexpected symbol near ')'");
  };
  const std::string path = File("bad.lua", "x");
  Run({"script", "create", "s", path});
  EXPECT_EQ(code_, 2);
  EXPECT_EQ(out_, "");
  EXPECT_EQ(err_, path + ":3: unexpected symbol near ')'\n");
  column = 7;
  Run({"script", "create", "s", "-"}, {{}, "x"});
  EXPECT_EQ(code_, 2);
  EXPECT_EQ(err_, "standard input:3:7: unexpected symbol near ')'\n");
}

TEST_F(ScriptCommandTest, AnotherRefusalIsSaidAsWithOtherCommands) {
  fake_.create_script = [](auto&, const v1::CreateScriptRequest&, v1::CreateScriptResponse&) {
    return InvalidField("script_id", "must be an id");
  };
  Run({"script", "create", "S", "-"}, {{}, "x"});
  EXPECT_EQ(code_, 2);
  EXPECT_EQ(err_, "errand: the server refuses the request (script_id: must be an id)\n");
}

TEST_F(ScriptCommandTest, ValidatePrintsTheProblemsAndExitsWith1) {
  bool good = false;
  fake_.validate_script = [&](auto&, const v1::ValidateScriptRequest&, v1::ValidateScriptResponse& response) {
    if (good) return grpc::Status::OK;
    v1::Problem& first = *response.add_problems();
    first.set_line(3);
    first.set_column(7);
    first.set_message("'=' expected");
    response.add_problems()->set_message("too \x1b long");
    return grpc::Status::OK;
  };
  const std::string path = File("bad.lua", "x");
  Run({"script", "validate", path});
  EXPECT_EQ(code_, 1);
  EXPECT_EQ(out_, path + ":3:7: '=' expected\n" + path + ": too \\x1b long\n");
  EXPECT_EQ(err_, "");
  Run({"script", "validate", path, "-o", "jsonl"});
  EXPECT_EQ(code_, 1);
  EXPECT_THAT(out_, HasSubstr("{\"problems\":[{\"line\":3,\"column\":7,\"message\":\"'=' expected\"}"));
  good = true;
  Run({"script", "validate", "-"}, {{}, "return 1"});
  EXPECT_EQ(code_, 0);
  EXPECT_EQ(out_ + err_, "");
}

TEST_F(ScriptCommandTest, GetShowsAScriptAnEarlierVersionOrTheSourceAlone) {
  Run({"script", "get", "report"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_,
            "name      scripts/report\n"
            "version   9\n"
            "source    13 bytes\n");
  Run({"script", "get", "report@3", "-o", "json"});
  EXPECT_THAT(out_, HasSubstr("\"version\": \"3\""));
  Run({"script", "get", "report", "--source"});
  EXPECT_EQ(out_, "return 1 -- \x1b");
  Run({"script", "get", "report@x"});
  EXPECT_EQ(code_, 2);
  EXPECT_THAT(err_, HasSubstr("'report@x' is not NAME or NAME@VERSION"));
}

TEST_F(ScriptCommandTest, ListPrintsScriptsInEveryFormat) {
  fake_.list_scripts = [](auto&, const v1::ListScriptsRequest&, v1::ListScriptsResponse& response) {
    v1::Script& script = *response.add_scripts();
    script.set_name("scripts/report");
    script.set_version(12);
    script.mutable_create_time()->set_seconds(1'900'000'000);
    return grpc::Status::OK;
  };
  Run({"script", "list"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_,
            "NAME            VERSION  CREATED\n"
            "scripts/report  12       2030-03-17 17:46:40.000+00:00\n");
  Run({"script", "list", "-o", "jsonl"});
  EXPECT_EQ(out_,
            "{\"name\":\"scripts/report\",\"version\":\"12\",\"createTime\":\"2030-03-17T17:46:40Z\"}\n");
  Run({"script", "-o", "json", "list"});
  EXPECT_THAT(out_, HasSubstr("{\n \"scripts\": [\n  {\n   \"name\": \"scripts/report\","));
}

TEST_F(ScriptCommandTest, DeletePrintsTheNameAndExitsWith3WhereThereIsNone) {
  std::string deleted;
  fake_.delete_script = [&](auto&, const v1::DeleteScriptRequest& request, v1::DeleteScriptResponse&) {
    const bool again = !deleted.empty();
    deleted = request.name();
    return again ? NotFound(deleted) : grpc::Status::OK;
  };
  Run({"script", "delete", "report"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "scripts/report\n");
  EXPECT_EQ(deleted, "scripts/report");
  Run({"script", "delete", "report"});
  EXPECT_EQ(code_, 3);
}

TEST_F(ScriptCommandTest, RunAndSubmitTakeAScriptInPlaceOfAFile) {
  v1::CreateTaskRequest sent;
  fake_.run = [&](auto&, const v1::RunTaskRequest& request, auto& writer) {
    sent = request.create();
    Send(writer, {ResultEvent(1, "42")});
    return grpc::Status::OK;
  };
  fake_.create = [&](auto&, const v1::CreateTaskRequest& request, v1::CreateTaskResponse& response) {
    sent = request;
    response.mutable_task()->set_name(kName);
    return grpc::Status::OK;
  };
  Run({"run", "lua", "--script=report", "--payload=hi"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(out_, "42");
  EXPECT_EQ(sent.task().lua().script(), "scripts/report");
  EXPECT_EQ(sent.task().lua().text(), "hi");
  Run({"submit", "lua", "--script=scripts/report"});
  EXPECT_EQ(code_, 0) << err_;
  EXPECT_EQ(sent.task().lua().script(), "scripts/report");
  Run({"run", "lua", "--script=report", File("x.lua", "return 1")});
  EXPECT_EQ(code_, 2);
  EXPECT_THAT(err_, HasSubstr("needs FILE or --script, and not both"));
}

TEST_F(ScriptCommandTest, GetOfATaskShowsItsScriptAndVersion) {
  fake_.get = [](auto&, const v1::GetTaskRequest&, v1::GetTaskResponse& response) {
    *response.mutable_task() = TaskIn(v1::TASK_STATE_QUEUED);
    response.mutable_task()->mutable_lua()->set_script("scripts/report");
    response.mutable_task()->mutable_lua()->set_script_version(3);
    return grpc::Status::OK;
  };
  Run({"get", "t"});
  EXPECT_THAT(out_, HasSubstr("script    scripts/report@3\n"));
}

}  // namespace
}  // namespace errand
